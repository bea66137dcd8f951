"""Nearest distances against permuted labels: exact moments, planted attraction, uniform p without it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from stietime.tissue.pairs import proximity


def section(seed: int, n: int = 600):
    rng = np.random.default_rng(seed)
    positions = rng.random((n, 2)) * 400
    target = rng.random(n) < 0.1
    return rng, positions, target


def test_z_has_the_moments_of_all_permutations():
    values = np.array([3.0, 1.0, 1.0, 7.0, 5.0, 9.0, 2.0, 8.0])
    chosen = np.array([True, False, False, True, False, True, False, False])
    strata = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    ranks = stats.rankdata(values)
    sums = [
        ranks[list(first)].sum() + ranks[4 + other]
        for first in itertools.combinations(range(4), 2)
        for other in range(4)
    ]
    z, p = proximity.rank_z(values, chosen, strata)
    assert z == pytest.approx((ranks[chosen].sum() - np.mean(sums)) / np.std(sums))
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_without_strata_it_is_the_rank_sum_test():
    rng = np.random.default_rng(2)
    values, chosen = rng.random(80), rng.random(80) < 0.3
    z, _ = proximity.rank_z(values, chosen, np.zeros(80, dtype=int))
    mean = chosen.sum() * 81 / 2
    plain = np.sqrt(chosen.sum() * (~chosen).sum() * 81 / 12)
    assert z == pytest.approx((stats.rankdata(values)[chosen].sum() - mean) / plain)


def test_permuted_labels_give_uniform_p():
    p_values = []
    for seed in range(300):
        rng, positions, target = section(seed, 200)
        source = ~target & (rng.random(200) < 0.1)
        table = proximity.proximity(
            positions,
            {"a": source, "b": target},
            [("a", "b")],
            backgrounds={"all cells": np.zeros(200, dtype=int)},
            within_um=30,
        )
        p_values.append(table["p"].item())
    assert stats.kstest(np.array(p_values)[np.isfinite(p_values)], "uniform").pvalue > 0.01


def test_planted_attraction_is_found_and_explained_by_region():
    rng, positions, _ = section(5, 3000)
    left = positions[:, 0] < 200
    target = left & (rng.random(3000) < 0.05)
    source = left & ~target & (rng.random(3000) < 0.1)
    table = proximity.proximity(
        positions, {"a": source, "b": target}, [("a", "b")], within_um=30,
        backgrounds={"all cells": np.zeros(3000, dtype=int), "same region": left.astype(int)},
    ).set_index("background")  # fmt: skip
    assert table.loc["all cells", "z"] < -5
    assert table.loc["all cells", "median_um"] < table.loc["all cells", "expected_um"] / 1.5
    # both are on the left: among cells of that side they are no nearer
    assert abs(table.loc["same region", "z"]) < 3
    assert table.loc["same region", "expected_um"] == pytest.approx(
        table.loc["same region", "median_um"], rel=0.15
    )
    assert (table["q"] >= table["p"]).all()


def test_distances_and_shares_are_those_of_a_plain_search():
    rng, positions, target = section(7)
    source = ~target & (rng.random(600) < 0.2)
    nearest = np.linalg.norm(positions[:, None] - positions[None, target], axis=2).min(axis=1)
    row = proximity.proximity(
        positions, {"a": source, "b": target}, [("a", "b")], within_um=25,
        backgrounds={"all cells": np.zeros(600, dtype=int)},
    ).iloc[0]  # fmt: skip
    assert row["median_um"] == pytest.approx(np.median(nearest[source]))
    assert row["share_within"] == pytest.approx((nearest[source] <= 25).mean())
    assert row["expected_within"] == pytest.approx((nearest[~target] <= 25).mean())
    assert row["n_background"] == (~target & ~source).sum()


def test_what_cannot_be_tested_says_why():
    rng, positions, target = section(9)
    few = np.zeros(600, dtype=bool)
    few[:3] = ~target[:3]
    source = ~target
    groups = {"few": few, "others": source, "b": target, "none": np.zeros(600, dtype=bool)}
    pairs = [("few", "b"), ("others", "b"), ("b", "none")]
    everyone = {"all cells": np.zeros(600, dtype=int)}
    table = proximity.proximity(positions, groups, pairs, backgrounds=everyone, within_um=30)
    assert table["p"].isna().all()
    assert table["note"].tolist() == [
        "fewer than 5 cells of a group", "no other cells to compare with", "fewer than 5 cells of a group",
    ]  # fmt: skip
    assert list(table.columns) == list(proximity.COLUMNS)
    assert rng is not None


def test_cells_outside_all_strata_take_no_part():
    rng, positions, target = section(11)
    source = ~target & (rng.random(600) < 0.2)
    strata = np.where(rng.random(600) < 0.5, 0, -1)
    row = proximity.proximity(
        positions, {"a": source, "b": target}, [("a", "b")], backgrounds={"half": strata}, within_um=30
    ).iloc[0]
    assert row["n_from"] == (source & (strata == 0)).sum()
    assert row["n_from"] + row["n_background"] == (~target & (strata == 0)).sum()
