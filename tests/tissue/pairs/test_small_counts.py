"""Types with few cells: p from draws, and what stands behind p within strata and of shares."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime.tissue.graphs import graph
from stietime.tissue.pairs import label_tests, neighbourhoods, ratio_intervals
from stietime.tissue.pairs.label_tests import Draws

NUMBERS = {"tumour": 700, "t_cell": 400, "b_cell": 300, "mast": 60, "rare20": 20, "rare10": 10, "rare5": 5}


def section(seed: int) -> tuple[np.ndarray, pd.Series]:
    rng = np.random.default_rng(seed)
    types = np.repeat(list(NUMBERS), list(NUMBERS.values()))
    return rng.random((len(types), 2)) * 500, pd.Series(rng.permutation(types))


@pytest.fixture(scope="module")
def permuted() -> dict[tuple[str, str], pd.DataFrame]:
    """Tables of 120 permuted sections, by pair of types."""
    positions, types = section(1)
    links = graph.radius_graph(positions, 30.0)
    strata = (positions[:, 0] > 200).astype(np.int64)
    rng, tables = np.random.default_rng(2), []
    for i in range(120):
        labels = pd.Series(rng.permutation(types))
        tables.append(neighbourhoods.enrichment(links, labels, 30.0, strata=strata, draws=Draws(299, seed=i)))
    every = pd.concat(tables)
    return {(str(a), str(b)): part for (a, b), part in every.groupby(["type_a", "type_b"])}


@pytest.mark.parametrize("column", ["p", "p_within", "p_ab", "p_ba"])
def test_p_of_permuted_labels_is_uniform_for_types_of_5_to_20_cells(permuted, column):
    common = ("b_cell", "t_cell", "tumour")
    for rare, other in itertools.product(("rare5", "rare10", "rare20"), common):
        part = permuted[(min(rare, other), max(rare, other))]
        assert (part["method"] == "draws").all()
        # of 36 pairs and columns the smallest is about 0.03 when all are uniform
        assert stats.kstest(part[column], "uniform").pvalue > 0.001


def test_p_is_never_too_small_where_it_takes_few_values(permuted):
    rare = ("rare5", "rare10", "rare20", "mast")
    for a, b in itertools.combinations_with_replacement(sorted(rare), 2):
        p = permuted[(a, b)]["p"].to_numpy()
        for level in (0.05, 0.2, 0.5):
            assert stats.binomtest(int((p <= level).sum()), len(p), level, "greater").pvalue > 0.001


def test_p_of_common_types_is_uniform(permuted):
    for pair in itertools.combinations_with_replacement(("b_cell", "t_cell", "tumour"), 2):
        part = permuted[pair]
        assert (part["method"] == "moments").all()
        for column in ("p", "p_within", "p_ab", "p_ba"):
            assert stats.kstest(part[column], "uniform").pvalue > 0.001


def test_draws_agree_with_p_counted_over_all_cells():
    positions, types = section(3)
    links = graph.radius_graph(positions, 30.0)
    strata = (positions[:, 1] > 250).astype(np.int64)
    table = neighbourhoods.enrichment(links, types, 30.0, strata=strata, draws=Draws(20_000))
    first, second = graph.edges(links)
    rng, labels = np.random.default_rng(4), types.to_numpy()
    for column, parts in (
        ("", [np.arange(len(types))]),
        ("_within", [np.flatnonzero(strata == s) for s in (0, 1)]),
    ):
        counts = {
            pair: np.empty(800) for pair in (("rare10", "tumour"), ("mast", "rare5"), ("rare20", "rare20"))
        }
        for i in range(800):
            drawn = labels.copy()
            for part in parts:
                drawn[part] = rng.permutation(labels[part])
            left, right = drawn[first], drawn[second]
            for (a, b), found in counts.items():
                found[i] = (((left == a) & (right == b)) | ((left == b) & (right == a))).sum()
        for (a, b), found in counts.items():
            row = table[(table["type_a"] == a) & (table["type_b"] == b)].iloc[0]
            away = abs(row["observed"] - row[f"expected{column}"])
            share = float((np.abs(found - row[f"expected{column}"]) >= away - 1e-9).mean())
            assert row[f"p{column}"] == pytest.approx(share, abs=0.07)
            assert row[f"expected{column}"] == pytest.approx(found.mean(), abs=5 * found.std() / 800**0.5)


def test_the_seed_decides_and_threads_do_not():
    positions, types = section(5)
    links = graph.radius_graph(positions, 30.0)
    one, two, other = (
        neighbourhoods.enrichment(links, types, 30.0, draws=draws)
        for draws in (Draws(300, 1, 1), Draws(300, 1, 2), Draws(300, 2, 1))
    )
    pd.testing.assert_frame_equal(one, two)
    assert not one["p"].equals(other["p"])
    assert one["z"].equals(other["z"])


def test_without_draws_or_budget_p_of_few_cells_is_approximate(monkeypatch):
    positions, types = section(6)
    links = graph.radius_graph(positions, 30.0)
    none = neighbourhoods.enrichment(links, types, 30.0, draws=Draws(0))
    few = none["type_a"].str.startswith("rare")
    assert (none["method"] == "moments").all()
    assert (none.loc[few, "note"] == "few cells: p is approximate").all()
    # what two rare types cost, not all four
    monkeypatch.setattr(label_tests, "_MAX_LOOKS", 16 * 9999 * 18)
    some = neighbourhoods.enrichment(links, types, 30.0).set_index(["type_a", "type_b"])
    assert some.loc[("rare5", "tumour"), "method"] == "draws"
    assert some.loc[("rare20", "tumour"), "method"] == "moments"


def test_region_explains_what_only_shares_a_compartment_and_not_attraction():
    rng = np.random.default_rng(7)
    positions = rng.random((4000, 2)) * 800
    stroma = positions[:, 0] < 300
    types = np.where(stroma, "fibroblast", "tumour").astype(object)
    of_stroma = np.flatnonzero(stroma)
    types[rng.choice(of_stroma, 350, replace=False)] = "t_cell"
    # b cells beside each other, also within the stroma
    for x, y in ((150, 200), (150, 600)):
        types[stroma & (np.hypot(positions[:, 0] - x, positions[:, 1] - y) < 35)] = "b_cell"
    table = neighbourhoods.enrichment(
        graph.radius_graph(positions, 30.0), pd.Series(types), 30.0, strata=stroma.astype(np.int64)
    ).set_index(["type_a", "type_b"])
    shared, attracted = table.loc[("t_cell", "t_cell")], table.loc[("b_cell", "b_cell")]
    assert shared["log2_ratio"] > 0.8
    assert shared["p"] < 1e-10
    assert abs(shared["log2_within"]) < 0.3
    assert shared["p_within"] > 0.01
    assert attracted["log2_within"] > 1.5
    assert attracted["p_within"] < 1e-3
    # shares: what t cells have around them is fibroblasts, less so the other way round
    row = table.loc[("fibroblast", "t_cell")]
    assert row["share_ba"] > row["share_ab"]
    assert row["share_ab"] / row["expected_share_ab"] == pytest.approx(2.0 ** row["log2_ratio"], rel=0.2)


def test_interval_covers_the_ratio_of_the_process():
    """Clusters of two types, drawn anew 80 times: the ratio of all of them lies in 95 % of the intervals."""
    rng, logs, found = np.random.default_rng(8), [], []
    for _ in range(80):
        parents = rng.random((60, 2)) * 1000
        near = parents[rng.integers(0, 60, 600)] + rng.normal(0, 20, (600, 2))
        positions = np.concatenate([near, rng.random((3000, 2)) * 1000])
        types = np.concatenate(
            [rng.choice(["a", "b"], 600), rng.choice(["a", "b", "c"], 3000, p=[0.1, 0.1, 0.8])]
        )
        blocks = ratio_intervals.tissue_blocks(positions, 60.0)
        links = graph.radius_graph(positions, 30.0)
        row = neighbourhoods.enrichment(links, pd.Series(types), 30.0, blocks=blocks, draws=Draws(0)).iloc[1]
        assert (row["type_a"], row["type_b"]) == ("a", "b")
        logs.append(row["log2_ratio"])
        found.append((row["log2_low"], row["log2_high"]))
    low, high = np.array(found).T
    assert ((low + high) / 2).tolist() == pytest.approx(logs, abs=0.01)
    covered = ((low <= np.mean(logs)) & (np.mean(logs) <= high)).mean()
    assert covered >= 0.87


def test_few_blocks_give_no_interval():
    positions, types = section(9)
    links = graph.radius_graph(positions, 30.0)
    halves = (positions[:, 0] > 250).astype(np.int64)
    table = neighbourhoods.enrichment(links, types, 30.0, blocks=halves, draws=Draws(0))
    assert table[["log2_low", "log2_high"]].isna().all(axis=None)
    fields = np.arange(len(types)) % 2
    blocks = ratio_intervals.tissue_blocks(positions, 60.0, fields)
    assert all(len(set(fields[blocks == block])) == 1 for block in np.unique(blocks))
