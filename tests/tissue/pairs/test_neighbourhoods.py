from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime.tissue.graphs import graph
from stietime.tissue.pairs import neighbourhoods
from stietime.tissue.pairs.join_counts import GraphSize, join_count_moments


def tissue(seed: int, layout: str, n_cells: int = 1500) -> tuple[np.ndarray, pd.Series]:
    """Cells of five types in a square of 500 um: `layout` says how the types are arranged."""
    rng = np.random.default_rng(seed)
    positions = rng.random((n_cells, 2)) * 500
    share = {"tumour": 0.5, "t_cell": 0.25, "macrophage": 0.15, "b_cell": 0.09, "mast": 0.01}
    types = rng.choice(list(share), size=n_cells, p=list(share.values()))
    if layout == "nest":
        types[np.linalg.norm(positions - 250, axis=1) < 140] = "tumour"
    if layout == "follicles":
        for centre in ((120, 120), (380, 300)):
            types[np.linalg.norm(positions - centre, axis=1) < 50] = "b_cell"
    return positions, pd.Series(types)


def squidpy_z(positions: np.ndarray, types: pd.Series, radius_um: float, n_permutations: int):
    import anndata as ad
    import squidpy as sq
    from scipy.sparse import csr_matrix

    obs = pd.DataFrame({"type": pd.Categorical(types)}, index=types.index.astype(str))
    adata = ad.AnnData(np.zeros((len(types), 1)), obs=obs)
    adata.obsp["spatial_connectivities"] = csr_matrix(graph.radius_graph(positions, radius_um).astype(float))
    found = sq.gr.nhood_enrichment(
        adata, "type", n_perms=n_permutations, seed=3, copy=True, n_jobs=1, show_progress_bar=False
    )
    return sorted(types.unique()), found.zscore, found.counts


def small_graph() -> tuple[np.ndarray, GraphSize]:
    """Seven cells: a triangle, a path hanging on it, and an isolated cell."""
    pairs = np.array([(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (4, 5)])
    degree = np.bincount(pairs.ravel(), minlength=7)
    return pairs, GraphSize(7, len(pairs), int((degree * (degree - 1)).sum()))


@pytest.mark.parametrize("n_of_type", [(3, 2, 2), (1, 5, 1), (2, 1, 4), (4, 3, 0)])
def test_moments_equal_all_permutations_enumerated(n_of_type):
    pairs, size = small_graph()
    labels = np.repeat([0, 1, 2], n_of_type)
    every = np.array(sorted(set(itertools.permutations(labels.tolist()))))
    left, right = every[:, pairs[:, 0]], every[:, pairs[:, 1]]
    for a, b in ((0, 0), (1, 1), (0, 1), (1, 2)):
        joins = (((left == a) & (right == b)) | ((left == b) & (right == a))).sum(axis=1).tolist()
        mean = Fraction(sum(joins), len(joins))
        variance = Fraction(sum(j * j for j in joins), len(joins)) - mean**2
        found = join_count_moments(size, n_of_type[a], None if a == b else n_of_type[b])
        assert found == (mean, variance)


def test_moments_equal_the_formulas_of_cliff_and_ord():
    positions, types = tissue(1, "random", 400)
    weights = graph.radius_graph(positions, 30.0).toarray().astype(float)
    n, b = len(types), int((types == "t_cell").sum())
    w = n - b
    s0 = weights.sum()
    s1 = ((weights + weights.T) ** 2).sum() / 2
    s2 = ((weights.sum(axis=0) + weights.sum(axis=1)) ** 2).sum()

    def ff(value: int, k: int) -> float:
        return float(math.prod(value - i for i in range(k)))

    # Cliff & Ord 1981, ch. 2: black-black and black-white joins, non-free sampling
    mean_bb = s0 * ff(b, 2) / (2 * ff(n, 2))
    rest = (s0**2 + s1 - s2) * ff(b, 4) / ff(n, 4)
    var_bb = (s1 * ff(b, 2) / ff(n, 2) + (s2 - 2 * s1) * ff(b, 3) / ff(n, 3) + rest) / 4 - mean_bb**2
    mean_bw = s0 * b * w / ff(n, 2)
    rest = 4 * (s0**2 + s1 - s2) * ff(b, 2) * ff(w, 2) / ff(n, 4)
    middle = (s2 - 2 * s1) * b * w * (b + w - 2) / ff(n, 3)
    var_bw = (2 * s1 * b * w / ff(n, 2) + middle + rest) / 4 - mean_bw**2
    size = GraphSize.of(graph.radius_graph(positions, 30.0))
    assert [float(m) for m in join_count_moments(size, b)] == pytest.approx([mean_bb, var_bb], rel=1e-9)
    assert [float(m) for m in join_count_moments(size, b, w)] == pytest.approx([mean_bw, var_bw], rel=1e-9)


@pytest.mark.parametrize("layout", ["random", "nest", "follicles"])
def test_z_equals_brute_force_permutations_within_their_error(layout):
    positions, types = tissue(2, layout, 600)
    links = graph.radius_graph(positions, 30.0)
    table = neighbourhoods.enrichment(links, types, 30.0).set_index(["type_a", "type_b"])
    first, second = graph.edges(links)
    rng = np.random.default_rng(5)
    values, n_permutations = types.to_numpy(), 2000
    drawn = {pair: np.empty(n_permutations) for pair in table.index}
    for i in range(n_permutations):
        shuffled = rng.permutation(values)
        left, right = shuffled[first], shuffled[second]
        for (a, b), counts in drawn.items():
            counts[i] = (((left == a) & (right == b)) | ((left == b) & (right == a))).sum()
    for pair, counts in drawn.items():
        row = table.loc[pair]
        assert row["expected"] == pytest.approx(counts.mean(), abs=4.5 * counts.std() / n_permutations**0.5)
        spread = (row["observed"] - row["expected"]) / row["z"]
        # the standard error of a standard deviation, with room for the tails of rare types
        tails = (stats.kurtosis(counts) + 2) / 4
        assert spread == pytest.approx(counts.std(), rel=4.5 * (tails / n_permutations) ** 0.5)


@pytest.mark.parametrize(("seed", "layout"), [(1, "random"), (2, "nest"), (3, "follicles"), (4, "nest")])
def test_z_equals_squidpy_within_monte_carlo_error(seed, layout):
    positions, types = tissue(seed, layout)
    n_permutations = 1000
    names, z, counts = squidpy_z(positions, types, 30.0, n_permutations)
    table = neighbourhoods.enrichment(graph.radius_graph(positions, 30.0), types, 30.0)
    for row in table.itertuples():
        a, b = names.index(row.type_a), names.index(row.type_b)
        # squidpy counts pairs within a type from both ends
        assert counts[a, b] == row.observed * (2 if a == b else 1)
        # error of a z from a drawn mean and a drawn deviation
        error = math.sqrt((1 + row.z**2 / 2) / n_permutations)
        assert z[a, b] == pytest.approx(row.z, abs=5 * error + 0.02)


def test_planted_attraction_and_avoidance_are_found():
    positions, types = tissue(7, "follicles")
    table = neighbourhoods.enrichment(graph.radius_graph(positions, 30.0), types, 30.0)
    table = table.set_index(["type_a", "type_b"])
    together, apart = table.loc["b_cell", "b_cell"], table.loc["b_cell", "tumour"]
    assert together["z"] > 10
    assert together["log2_ratio"] > 1
    assert together["q"] < 1e-6
    assert apart["z"] < -5
    assert apart["log2_ratio"] < 0
    assert apart["q"] < 1e-4


def test_permuted_labels_give_uniform_p():
    positions, types = tissue(8, "nest", 800)
    links = graph.radius_graph(positions, 30.0)
    rng = np.random.default_rng(9)
    p = []
    for _ in range(120):
        shuffled = pd.Series(rng.permutation(types.to_numpy()))
        table = neighbourhoods.enrichment(links, shuffled, 30.0).set_index(["type_a", "type_b"])
        # pairs of one permutation depend on each other: one is taken
        p.append(table.loc[("t_cell", "tumour"), "p"])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_what_cannot_be_tested_is_empty_with_a_reason():
    positions, types = tissue(3, "random", 300)
    types.iloc[0] = "plasma"
    table = neighbourhoods.enrichment(graph.radius_graph(positions, 30.0), types, 30.0)
    row = table.set_index(["type_a", "type_b"]).loc["plasma", "plasma"]
    assert row["n_a"] == 1
    assert row[["z", "p", "q", "log2_ratio"]].isna().all()
    assert row["note"] == "not testable: one cell of the type"
    rare = table[(table["expected"] < 5) & table["z"].notna()]
    assert len(rare)
    assert (rare["method"] == "draws").all()
    assert (rare["note"] == "").all()
    never = table[(table["observed"] == 0) & table["z"].notna()]
    assert len(never)
    assert never["log2_ratio"].isna().all()
    assert never["p"].notna().all()


@pytest.mark.parametrize("radius_um", [0.001, 1000.0])
def test_no_neighbours_or_only_neighbours(radius_um):
    positions, types = tissue(4, "random", 60)
    table = neighbourhoods.enrichment(graph.radius_graph(positions, radius_um), types, radius_um)
    assert table["z"].isna().all()
    assert table["note"].str.startswith("not testable").all()


def test_one_type_is_not_testable():
    positions, _ = tissue(5, "random", 100)
    table = neighbourhoods.enrichment(graph.radius_graph(positions, 30.0), pd.Series(["tumour"] * 100), 30.0)
    assert len(table) == 1
    assert table["observed"].item() == table["expected"].item()
    assert table["note"].item().startswith("not testable")


def test_q_is_benjamini_hochberg_over_testable_pairs():
    positions, types = tissue(6, "nest", 500)
    types.iloc[0] = "plasma"
    table = neighbourhoods.enrichment(graph.radius_graph(positions, 30.0), types, 30.0)
    tested = table.dropna(subset=["p"]).sort_values("p")
    ranks = np.arange(1, len(tested) + 1)
    by_hand = np.minimum.accumulate((tested["p"] * len(tested) / ranks).to_numpy()[::-1])[::-1]
    assert tested["q"].to_numpy() == pytest.approx(np.minimum(by_hand, 1))
    assert len(tested) < len(table)
