from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from stietime.tissue.interactions.permuted_sums import Levels, drawn_p, permuted_sums, ratio_interval
from stietime.tissue.interactions.sums_around import sums_around


def every_sum(values, sums, stratum):
    """All sums of products over all permutations within strata, by brute force."""
    parts = []
    for level in np.unique(stratum):
        cells = np.flatnonzero(stratum == level)
        orders = itertools.permutations(values[cells])
        parts.append(np.array([np.dot(order, sums[cells]) for order in orders]))
    return np.array([sum(one) for one in itertools.product(*parts)])


def test_moments_are_those_of_all_permutations():
    rng = np.random.default_rng(0)
    values, sums = rng.poisson(1.0, 9) * rng.random(9), rng.random((9, 2))
    stratum = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])
    found = permuted_sums(values, sums, Levels(stratum, np.array([0, 0, 1]), 2))
    for a, mine in enumerate((stratum < 2, stratum == 2, stratum >= 0)):
        for b in range(2):
            every = every_sum(values[mine], sums[mine, b], stratum[mine])
            assert found.observed[a, b] == pytest.approx(values[mine] @ sums[mine, b])
            assert found.expected[a, b] == pytest.approx(every.mean())
            assert found.variance[a, b] == pytest.approx(every.var())
            third = ((every - every.mean()) ** 3).mean()
            assert found.third[a, b] == pytest.approx(third, abs=1e-12)


def test_what_cannot_vary_has_no_z():
    stratum = np.arange(4)
    levels = Levels(stratum, np.zeros(4, dtype=np.int64), 1)
    found = permuted_sums(np.array([1.0, 2, 0, 3]), np.ones((4, 1)), levels)
    assert np.isnan(found.z).all()
    assert np.isnan(found.p).all()
    # equal values leave rounding behind, which is no variance
    same = Levels(np.zeros(4, dtype=np.int64), np.zeros(1, dtype=np.int64), 1)
    assert np.isnan(permuted_sums(np.full(4, 0.1) * 3, np.arange(4.0)[:, None], same).z).all()


@pytest.mark.parametrize("n_cells", [120, 1200])  # shuffled whole, and drawn by places
def test_drawn_p_agrees_with_moments_and_has_a_seed(n_cells):
    rng = np.random.default_rng(1)
    stratum = np.repeat([0, 1], n_cells // 2)
    values = np.zeros(n_cells)
    values[rng.choice(n_cells, 20, replace=False)] = 1 + rng.random(20)
    sums = rng.gamma(4, 1, (n_cells, 6))
    sums[values > 0, 0] += 1.5
    levels = Levels(stratum, np.zeros(2, dtype=np.int64), 1)
    found = permuted_sums(values, sums, levels)
    told = (found.observed[0], found.expected[0])
    p = drawn_p(values, sums, stratum, told, 4999, 3)
    assert p == pytest.approx(found.p[0], abs=0.025)
    assert p[0] < 0.01
    np.testing.assert_array_equal(p, drawn_p(values, sums, stratum, told, 4999, 3))


def test_interval_widens_when_expression_varies_over_the_tissue():
    """Two genes that vary smoothly, each for itself: the interval holds 0 where permutations reject."""
    held, rejected = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        positions = rng.random((1500, 2)) * 1500
        angle, phase = rng.uniform(0, 2 * np.pi, (2, 2))
        wave = [
            np.cos(positions @ (2 * np.pi / 1200 * np.array([np.cos(a), np.sin(a)])) + f)
            for a, f in zip(angle, phase, strict=True)
        ]
        values, other = (rng.poisson(0.5 * np.exp(0.6 * w)).astype(float) for w in wave)
        group = np.zeros(1500, dtype=np.int64)
        sums = sums_around(positions, other, group, 1, np.array([100.0]))[:, 0]
        levels = Levels(group, np.zeros(1, dtype=np.int64), 1)
        found = permuted_sums(values, sums, levels)
        block = (positions // 300).astype(np.int64) @ np.array([5, 1])
        low, high = ratio_interval(values, sums, levels, found, block)
        held.append(low[0, 0] <= 0 <= high[0, 0])
        rejected.append(found.p[0, 0] < 0.05)
    assert np.mean(rejected) > 0.3
    assert np.mean(held) > np.mean(np.logical_not(rejected)) + 0.2


def test_sums_around_are_those_of_all_pairs():
    rng = np.random.default_rng(2)
    positions = np.vstack([rng.random((400, 2)) * 300, [[2000.0, 50.0], [0.0, 0.0], [25.0, 0.0]]])
    values = rng.poisson(0.5, len(positions)) * 1.5
    groups = rng.integers(-1, 3, len(positions))
    ends = np.array([25.0, 50.0, 80.0])
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    want = np.zeros((len(positions), 3, 3))
    for g in range(3):
        weight = np.where(groups == g, values, 0.0)
        for b, (low, high) in enumerate(zip([-1.0, *ends[:-1]], ends, strict=True)):
            want[:, g, b] = ((apart > low) & (apart <= high)) @ weight
    found = sums_around(positions, values, groups, 3, ends, n_threads=2)
    np.testing.assert_allclose(found, want, atol=1e-9)
    assert not sums_around(positions, np.zeros(len(positions)), groups, 3, ends).any()


def test_null_is_uniform_under_a_gradient_of_depth():
    import pandas as pd
    from scipy import sparse

    from stietime.tissue.interactions.pairs_of_genes import expression_of
    from stietime.tissue.interactions.section import permuted_within

    genes = pd.Index(["L", "R"], dtype=object)
    p, plain = [], []
    for seed in range(240):
        rng = np.random.default_rng(seed)
        positions = rng.random((1200, 2)) * 500
        depth = 150 * np.exp(2.4 * (positions[:, 0] / 500 - 0.5))
        totals = rng.poisson(depth) + 1.0
        counts = sparse.csc_matrix(rng.poisson(depth[:, None] * np.array([0.002, 0.004])))
        group = np.zeros(1200, dtype=np.int64)
        levels = permuted_within(group, 1, group, totals, 4)
        for collected, ligand, receptor in (
            (p, *(expression_of(counts, genes, totals, name) for name in genes)),
            (plain, *(counts[:, [i]].toarray().ravel().astype(float) for i in (0, 1))),
        ):
            sums = sums_around(positions, receptor, group, 1, np.array([100.0]))[:, 0]
            used = levels if collected is p else Levels(group, np.zeros(1, dtype=np.int64), 1)
            collected.append(permuted_sums(ligand, sums, used).p[0, 0])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    # counts as they are would have found an interaction almost everywhere
    assert np.mean(np.array(plain) < 0.05) > 0.9
