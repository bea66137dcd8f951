from __future__ import annotations

import itertools

import numpy as np
import pytest

from stietime.tissue.interactions.autocorrelation import Lags, added_variance, spatial_p
from stietime.tissue.interactions.permuted_sums import Levels, centred, permuted_sums

SIDE = 50.0


def waves(rng, positions, length_um: float, n: int = 12):
    """Draw a smooth stationary pattern: waves of all directions and of about one length."""
    angle, phase = rng.uniform(0, 2 * np.pi, (2, n))
    number = 2 * np.pi / (length_um * rng.uniform(0.7, 1.4, n))
    along = positions[:, :1] * np.cos(angle) + positions[:, 1:] * np.sin(angle)
    return np.cos(along * number + phase).sum(axis=1)


def by_plain_loops(squares, fields, one, other):
    """Sum n_h C_x(h) C_s(h) over classes of distance, pair by pair."""
    classes: dict[int, list[tuple[float, float]]] = {}
    for i, j in itertools.permutations(range(len(one)), 2):
        if fields[i] == fields[j]:
            apart = round(float(np.hypot(*(squares[i] - squares[j]))))
            classes.setdefault(apart, []).append((one[i] * one[j], other[i] * other[j]))
    return sum(sum(a for a, _ in pairs) * sum(b for _, b in pairs) / len(pairs) for pairs in classes.values())


@pytest.mark.parametrize("n_fields", [1, 3])
def test_added_variance_is_that_of_plain_loops(n_fields):
    rng = np.random.default_rng(n_fields)
    positions = rng.random((150, 2)) * [400, 300]
    fields, types = np.arange(150) % n_fields, rng.integers(0, 2, 150)
    smooth = np.column_stack([waves(rng, positions, 300) for _ in range(3)])
    values = centred(smooth, Levels(types, np.arange(2), 2))
    corners = np.array([positions[fields == field].min(axis=0) for field in fields])
    squares = (positions - corners) // SIDE
    lags = Lags.of(positions, types, 2, SIDE, fields if n_fields > 1 else None)
    ours = added_variance(lags.products(values[:, :1]), lags.products(values[:, 1:], n_threads=2), lags)
    assert ours.shape == (3, 2)
    for row, mine in enumerate([types == 0, types == 1, types >= 0]):
        for column in (1, 2):
            told = squares[mine], fields[mine], values[mine, 0], values[mine, column]
            assert ours[row, column - 1] == pytest.approx(max(by_plain_loops(*told), 0.0), rel=1e-8, abs=1e-8)
    assert (ours > 0).any()


def p_of(rng, n: int, length_um: float | None):
    """Test two unrelated patterns, by permutations and with the variance of autocorrelated ones."""
    positions = rng.random((n, 2)) * 2000
    one, other = (
        rng.normal(size=n) if length_um is None else waves(rng, positions, length_um) for _ in range(2)
    )
    type_of = np.zeros(n, dtype=np.int64)
    levels = Levels(type_of, np.zeros(1, dtype=np.int64), 1)
    found = permuted_sums(one, other[:, None], levels)
    lags = Lags.of(positions, type_of, 1, 100.0, None)
    left, right = (centred(part[:, None], levels) for part in (one, other))
    added = added_variance(lags.products(left), lags.products(right), lags)
    return found.p[0, 0], spatial_p(found, added, np.full(2, n))[0, 0]


def test_unrelated_smooth_patterns_are_not_taken_for_related():
    rng = np.random.default_rng(1)
    p = np.array([p_of(rng, 1_500, 500) for _ in range(100)])
    assert (p[:, 0] <= 0.05).mean() > 0.5  # permutations take cells for exchangeable
    assert (p[:, 1] <= 0.05).mean() <= 0.12


def test_without_autocorrelation_nothing_is_added():
    rng = np.random.default_rng(2)
    p = np.array([p_of(rng, 1_500, None) for _ in range(100)])
    assert np.abs(p[:, 1] - p[:, 0]).max() < 0.1
    assert 0.01 <= (p[:, 1] <= 0.05).mean() <= 0.12


def test_what_cannot_vary_has_no_p():
    n = 20
    type_of = np.zeros(n, dtype=np.int64)
    found = permuted_sums(np.ones(n), np.arange(n, dtype=float)[:, None], Levels(type_of, type_of[:1], 1))
    assert np.isnan(spatial_p(found, np.zeros((2, 1)), np.full(2, n))).all()
