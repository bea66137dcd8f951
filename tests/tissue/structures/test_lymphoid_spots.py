from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.tissue.graphs.graph import radius_graph
from stietime.tissue.structures.lymphoid_spots import hotspot_table, local_excess, lymphoid_hotspots

SIDE, PITCH = 30, 100.0
PLACES = np.array([[x * PITCH, y * PITCH] for x in range(SIDE) for y in range(SIDE)])
NEAR = radius_graph(PLACES, 1.5 * PITCH)


def around(x: float, y: float) -> np.ndarray:
    return np.linalg.norm(PLACES - np.array([x, y]) * PITCH, axis=1) <= 1.5 * PITCH


def section(seed: int, *, planted: bool):
    """B cells, T cells and a signature by chance; planted: two places with all three, two decoys with one."""
    rng = np.random.default_rng(seed)
    b, t = rng.beta(1, 40, len(PLACES)), rng.beta(2, 30, len(PLACES))
    signature = rng.normal(0.1, 0.02, len(PLACES))
    if planted:
        both = around(7, 7) | around(22, 20)
        b[both | around(7, 22)] += 0.25
        t[both | around(15, 15)] += 0.25
        signature[both] += 0.06
    return b, t, signature


def test_local_excess_has_the_moments_of_all_draws():
    rng = np.random.default_rng(1)
    values = rng.gamma(0.5, 1, len(PLACES))
    z, p = local_excess(NEAR, values)
    inner = 15 * SIDE + 15
    near = np.append(NEAR[[inner]].indices, inner)
    drawn = np.array([rng.permutation(values)[:9].sum() for _ in range(20_000)])
    ours = values[near].sum()
    assert z[inner] == pytest.approx((ours - drawn.mean()) / drawn.std(), abs=0.05)
    assert p[inner] == pytest.approx((drawn >= ours).mean(), abs=0.02)
    # values by chance: few spots have a small p
    assert (p <= 0.05).mean() <= 0.1
    assert np.isnan(local_excess(NEAR, np.ones(len(PLACES)))[1]).all()


def test_planted_places_are_found_and_decoys_are_not():
    for seed in range(10):
        b, t, signature = section(seed, planted=True)
        found = lymphoid_hotspots(NEAR, b, t, signature, min_share=0.05)
        assert found.n == 2
        hot = found.number > 0
        assert hot[7 * SIDE + 7]
        assert hot[around(7, 7)].sum() >= 5  # a corner of the square has less of it around
        assert not hot[around(7, 22) | around(15, 15)].any()
        assert len(np.unique(found.number[around(22, 20) & hot])) == 1


def test_nothing_planted_nothing_found():
    numbers = [lymphoid_hotspots(NEAR, *section(seed, planted=False), min_share=0.02).n for seed in range(40)]
    assert np.mean(np.array(numbers) > 0) <= 0.05


def test_too_low_shares_are_no_structure():
    b, t, signature = section(1, planted=True)
    assert lymphoid_hotspots(NEAR, b / 10, t / 10, signature, min_share=0.05).n == 0


def test_a_spot_of_which_nothing_is_known_is_passed_over():
    b, t, signature = section(1, planted=True)
    b[7 * SIDE + 7] = t[100] = np.nan
    found = lymphoid_hotspots(NEAR, b, t, signature, min_share=0.05)
    assert found.n == 2
    assert found.number[7 * SIDE + 7] == 0


def test_what_cannot_be_told_says_why():
    b, t, signature = section(1, planted=True)
    missing = np.full(len(b), np.nan)
    found = lymphoid_hotspots(NEAR, missing, t, signature, min_share=0.05)
    assert (found.n, found.note) == (0, "no profile of B and of T cells: lymphoid hot spots not testable")
    assert "no signature" in lymphoid_hotspots(NEAR, b, t, missing, min_share=0.05).note
    few = NEAR[:5][:, :5]
    assert "5 spots, 20 needed" in lymphoid_hotspots(few, b[:5], t[:5], signature[:5], min_share=0.05).note


def test_table_describes_every_hot_spot():
    b, t, signature = section(3, planted=True)
    found = lymphoid_hotspots(NEAR, b, t, signature, min_share=0.05)
    spots = pd.DataFrame({"x_um": PLACES[:, 0], "y_um": PLACES[:, 1], "b_share": b, "t_share": t})
    spots = spots.assign(dc_share=np.nan, signature=signature, distance_to_boundary_um=np.nan)
    table = hotspot_table(found, spots, PITCH)
    assert list(table["hotspot"]) == [1, 2]
    assert table["x_um"].tolist() == pytest.approx([700, 2200], abs=80)
    assert table["area_mm2"].tolist() == pytest.approx((table["n_spots"] * 0.01).tolist())
    assert (table["signature"] > table["signature_elsewhere"] + 0.03).all()
    assert hotspot_table(lymphoid_hotspots(NEAR, b, t, signature, min_share=0.9), spots, PITCH).empty
