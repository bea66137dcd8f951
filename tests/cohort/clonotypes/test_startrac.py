"""STARTRAC's indices against plain loops, on made-up clones and on the clones of the paper."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from tests.cohort.clonotypes import naive

from stietime.cohort.clonotypes.startrac import (
    clonality,
    pairwise_migration,
    pairwise_transition,
    startrac_indices,
)


def random_cells(seed, n=400):
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 81)
    clone = rng.choice(80, n, p=weights / weights.sum())
    return pd.DataFrame(
        {
            "clone": clone.astype(str),
            "kind": rng.choice(["x", "y", "z"], n, p=[0.6, 0.3, 0.1]),
            "environment": rng.choice(["STIE", "TIME", "normal"], n),
        }
    )


def triples(cells):
    return list(zip(cells["clone"], cells["kind"], cells["environment"], strict=True))


def assert_equal_to_naive(cells):
    found, expected = startrac_indices(cells), naive.startrac(triples(cells))
    assert set(found.index) == set(expected)
    for kind, values in expected.items():
        got = found.loc[kind, ["expansion", "migration", "transition"]].to_numpy(float)
        np.testing.assert_allclose(got, values, atol=1e-8, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_indices_equal_plain_loops(seed):
    assert_equal_to_naive(random_cells(seed))


@pytest.mark.parametrize("seed", range(3))
def test_pairwise_indices_equal_plain_loops(seed):
    cells = random_cells(seed, n=150)
    for row in pairwise_migration(cells).itertuples():
        expected = naive.pairwise_migration(triples(cells), row.kind, row.first, row.second)
        assert row.value == pytest.approx(expected, abs=1e-8)
    table = pairwise_transition(cells)
    assert set(zip(table["first"], table["second"], strict=True)) == set(combinations("xyz", 2))
    for row in table.itertuples():
        assert row.value == pytest.approx(naive.pairwise_transition(triples(cells), row.first, row.second))


def test_one_clone_has_no_expansion_and_equal_clones_have_none():
    assert np.isnan(clonality(np.array([7])))
    assert clonality(np.array([3, 3, 3])) == 0
    assert clonality(np.array([97, 1, 1, 1])) > 0.8


def test_a_clone_in_two_tissues_by_halves_migrates_by_one_bit():
    cells = pd.DataFrame({"clone": ["a"] * 4, "kind": ["x"] * 4, "environment": ["STIE", "TIME"] * 2})
    found = startrac_indices(cells).loc["x"]
    assert (found["migration"], found["transition"], found["n"]) == (1, 0, 4)


@pytest.mark.data
def test_zhang_every_patient_equals_plain_loops(zhang):
    for _, own in zhang.groupby("patient"):
        assert_equal_to_naive(own)
        pairs = pairwise_migration(own).head(60)
        for row in pairs.itertuples():
            expected = naive.pairwise_migration(triples(own), row.kind, row.first, row.second)
            np.testing.assert_allclose(row.value, expected, atol=1e-8)
    assert_equal_to_naive(zhang)


@pytest.mark.data
def test_zhang_the_published_ranking(zhang):
    """CX3CR1 effectors migrate most and are most expanded; LAYN exhausted cells expand and stay."""
    parts = [startrac_indices(own) for _, own in zhang.groupby("patient")]
    table = pd.concat([part[part["n"] >= 10] for part in parts]).groupby(level=0).mean()
    cd8 = table[table.index.str.startswith("CD8")]
    assert table["migration"].idxmax() == "CD8_C03-CX3CR1"
    assert table["expansion"].nlargest(2).index.tolist() == ["CD8_C03-CX3CR1", "CD8_C07-LAYN"]
    assert set(table["transition"].nlargest(2).index) == {"CD8_C03-CX3CR1", "CD8_C04-GZMK"}
    # of the expanded CD8 types the exhausted one stays in its tissue most
    expanded = cd8[cd8["expansion"] > cd8["expansion"].median()]
    assert expanded["migration"].idxmin() == "CD8_C07-LAYN"
    assert table.loc["CD8_C07-LAYN", "migration"] < table.loc["CD8_C03-CX3CR1", "migration"] / 4
    # naive cells neither expand nor migrate
    assert table.loc[["CD4_C01-CCR7", "CD8_C01-LEF1"], ["expansion", "migration"]].to_numpy().max() == 0
