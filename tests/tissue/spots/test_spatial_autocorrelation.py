"""Moran's I: equal to squidpy's, and its moments equal to those of all permutations."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from stietime.tissue.graphs.graph import radius_graph
from stietime.tissue.spots.spatial_autocorrelation import moran_of_genes, pairs_of_shares, product_moments


def grid(side, pitch=100.0):
    return np.array([[x * pitch, y * pitch] for x in range(side) for y in range(side)], dtype=float)


def test_equals_squidpy_on_more_genes_than_one_block():
    import anndata as ad
    import squidpy as sq

    random = np.random.default_rng(1)
    positions = grid(14)
    wave = np.exp(np.sin(positions[:, 0] / 300))[:, None]
    # few genes vary: many would move the depth that every gene is scaled by
    mean = np.where(np.arange(300) % 30 == 0, wave, 1.0) * (1 + random.gamma(2, 1, 300))
    counts = sparse.csr_matrix(random.poisson(mean))
    genes = [f"G{i}" for i in range(300)]
    graph = radius_graph(positions, 150)
    found = moran_of_genes(counts, genes, graph).set_index("gene")
    totals = np.asarray(counts.sum(axis=1)).ravel()
    cells = ad.AnnData(np.log1p(counts.toarray() / totals[:, None] * np.median(totals)))
    cells.var_names = genes
    cells.obsp["spatial_connectivities"] = sparse.csr_matrix(graph, dtype=float)
    theirs = sq.gr.spatial_autocorr(cells, mode="moran", genes=genes, copy=True, n_jobs=1)
    np.testing.assert_allclose(found["moran_i"], theirs["I"].reindex(found.index), atol=1e-6)
    planted = found.index.str[1:].astype(int) % 30 == 0
    assert (found["q"][planted] < 0.05).mean() > 0.95
    assert (found["q"][~planted] < 0.05).mean() < 0.05


def test_moments_are_those_of_all_permutations():
    random = np.random.default_rng(3)
    n = 7
    upper = np.triu(random.random((n, n)) < 0.5, 1).astype(float)
    graph = sparse.csr_array(upper + upper.T)
    first, second = random.normal(size=n), random.gamma(1, 1, n)
    dense = graph.toarray()
    every = [first[list(p)] @ dense @ second[list(p)] for p in permutations(range(n))]
    found, mean, variance = product_moments(graph, first, second)
    assert found == pytest.approx(first @ dense @ second)
    assert mean == pytest.approx(np.mean(every))
    assert variance == pytest.approx(np.var(every))


def test_z_of_a_gene_is_that_of_the_general_formula():
    random = np.random.default_rng(4)
    graph = radius_graph(grid(9), 150)
    counts = random.poisson(3, (81, 4))
    counts[:, 3] = 12 - counts[:, :3].sum(axis=1).clip(max=12)
    table = moran_of_genes(sparse.csr_matrix(counts), list("abcd"), graph).set_index("gene")
    totals = counts.sum(axis=1)
    values = np.log1p(counts / totals[:, None] * np.median(totals))
    degree = np.asarray(graph.sum(axis=1)).ravel()
    weights = sparse.csr_array(sparse.diags_array(1 / degree) @ graph)
    for i, gene in enumerate("abc"):
        centred = values[:, i] - values[:, i].mean()
        found, mean, variance = product_moments(weights, centred, centred)
        assert table.loc[gene, "z"] == pytest.approx((found - mean) / np.sqrt(variance))


def test_shares_without_order_give_uniform_p():
    random = np.random.default_rng(5)
    graph = radius_graph(grid(15), 150)
    p = [
        pairs_of_shares(random.dirichlet([0.5, 0.5, 0.5], 225), ["a", "b", "c"], graph)["p"].iloc[1]
        for _ in range(300)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_neighbours_attract_and_avoid():
    positions = grid(16)
    half = positions[:, 0] < 800
    random = np.random.default_rng(6)
    shares = np.column_stack([half * 0.6, half * 0.3, ~half * 0.9]) + random.random((256, 3)) * 0.1
    shares /= shares.sum(axis=1, keepdims=True)
    table = pairs_of_shares(shares, ["tumour", "t_cell", "fat"], radius_graph(positions, 150))
    z = {(a, b): value for a, b, value in zip(table["type_a"], table["type_b"], table["z"], strict=True)}
    assert z["tumour", "t_cell"] > 10
    assert z["tumour", "fat"] < -10
    assert z["fat", "fat"] > 10


def test_what_cannot_be_tested_says_why():
    positions = grid(4)
    shares = np.column_stack([np.full(16, 0.5), np.full(16, 0.5)])
    table = pairs_of_shares(shares, ["a", "b"], radius_graph(positions, 150))
    assert table["z"].isna().all()
    assert table["q"].isna().all()
    assert table["note"].str.contains("same in all spots").all()
    shares[:, 0] = np.linspace(0, 1, 16)
    shares[3] = np.nan
    apart = pairs_of_shares(shares, ["a", "b"], radius_graph(positions, 10))
    assert apart["note"].str.contains("none with a neighbour").all()
    assert set(apart["n_spots"]) == {15}


def test_a_gene_in_no_spot_is_empty():
    counts = sparse.csr_matrix(np.column_stack([np.arange(16), np.zeros(16), np.arange(16)[::-1]]))
    table = moran_of_genes(counts, ["a", "b", "c"], radius_graph(grid(4), 150)).set_index("gene")
    assert np.isnan(table.loc["b", "moran_i"])
    assert pd.isna(table.loc["b", "q"])
    assert table.index[-1] == "b"
