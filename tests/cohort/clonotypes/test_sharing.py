"""Overlap of two repertoires, and what chance would share: against enumeration and draws."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime.cohort.clonotypes.sharing import (
    exact_interval,
    jaccard,
    morisita_horn,
    shared_by_chance,
    two_places,
)


def all_deals(cells):
    """Go through every way to deal the places out anew within each type, each as likely."""
    parts = []
    for _, own in cells.groupby("kind"):
        n_first = int((own["environment"] == "STIE").sum())
        parts.append([set(chosen) for chosen in combinations(own.index, n_first)])
    for chosen in product(*parts):
        first = set().union(*chosen)
        yield cells.index.isin(first)


def small_cells(seed):
    rng = np.random.default_rng(seed)
    kinds = ["a"] * 6 + ["b"] * 5
    places = rng.choice(["STIE", "TIME"], 11)
    places[[0, 6]], places[[1, 7]] = "STIE", "TIME"
    return pd.DataFrame({"clone": rng.choice(list("uvwxyz"), 11), "kind": kinds, "environment": places})


@pytest.mark.parametrize("seed", range(6))
def test_chance_equals_the_enumeration_of_all_deals(seed):
    cells = small_cells(seed)
    clone, kind = cells["clone"].to_numpy(), cells["kind"].to_numpy()
    shared, of_second, by_kind = [], [], []
    for first in all_deals(cells):
        known = np.isin(clone, clone[first])
        shared.append(len(set(clone[first]) & set(clone[~first])))
        of_second.append(known[~first].mean())
        by_kind.append([known[~first & (kind == k)].mean() for k in "ab"])
    places = two_places(*(cells[cells["environment"] == place] for place in ("STIE", "TIME")))
    found = shared_by_chance(places)
    assert found.n_clones == pytest.approx(np.mean(shared), abs=1e-10)
    assert found.sd == pytest.approx(np.std(shared), abs=1e-7)
    assert found.of_second == pytest.approx(np.mean(of_second), abs=1e-10)
    np.testing.assert_allclose(found.of_second_by_kind, np.mean(by_kind, axis=0), atol=1e-10)


def test_too_many_profiles_have_an_expectation_and_no_deviation():
    rng = np.random.default_rng(1)
    n = 40_000
    cells = pd.DataFrame({"clone": rng.integers(0, 6000, n), "kind": rng.choice(list("abcdefgh"), n)})
    cells["environment"] = rng.choice(["STIE", "TIME"], n)
    found = shared_by_chance(
        two_places(cells[cells["environment"] == "STIE"], cells.query("environment == 'TIME'"))
    )
    assert np.isnan(found.sd)
    observed = cells.groupby("clone")["environment"].nunique().eq(2).sum()
    assert found.n_clones == pytest.approx(observed, rel=0.01)


def test_overlap_by_hand():
    x, y = np.array([2, 1, 0]), np.array([1, 0, 3])
    assert morisita_horn(x, y) == pytest.approx(2 * 2 / ((5 / 9 + 10 / 16) * 12))
    assert morisita_horn(x, 5 * x) == pytest.approx(1)
    assert morisita_horn(x, np.array([0, 0, 4])) == 0
    assert np.isnan(morisita_horn(x, 0 * x))
    assert jaccard(x, y) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("k", "n"), [(0, 8), (3, 8), (8, 8), (17, 400)])
def test_exact_interval_equals_scipy(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="exact")
    np.testing.assert_allclose(exact_interval(k, n), expected, atol=1e-9)
    assert np.isnan(exact_interval(0, 0)).all()


def test_two_places_keeps_types_that_only_one_place_has():
    one = pd.DataFrame({"clone": ["u", "u"], "kind": ["a", "b"]})
    two = pd.DataFrame({"clone": ["v"], "kind": ["c"]})
    places = two_places(one, two)
    assert places.kinds == ["a", "b", "c"]
    assert places.first.tolist() == [[1, 1, 0], [0, 0, 0]]
    assert places.second.tolist() == [[0, 0, 0], [0, 0, 1]]
    assert shared_by_chance(places).n_clones == 0
