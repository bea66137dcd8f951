import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cells.normalisation import log_normalise
from stietime.cells.variable_genes import (
    POOLED,
    gather,
    moments,
    normalised_dispersion,
    pool_small,
    rank_variable_genes,
)

GENES = [f"G{place}" for place in range(500)]


def expression(n_cells, seed, n_marker=40):
    """Two types that differ in the first genes."""
    rng = np.random.default_rng(seed)
    means = np.tile(np.random.default_rng(0).gamma(0.6, 1, 500), (n_cells, 1))
    means[: n_cells // 2, :n_marker] *= 8
    return sparse.csr_matrix(rng.poisson(means).astype(np.int32))


@pytest.fixture(scope="module")
def batches():
    return {"a": expression(200, 1), "b": expression(150, 2), "c": expression(120, 3)}


def test_moments_of_parts_add_up_to_those_of_the_whole(batches):
    whole = moments(batches["a"])
    parts = moments(batches["a"][:70]).joined(moments(batches["a"][70:]))
    assert parts.n_cells == whole.n_cells == 200
    np.testing.assert_allclose(parts.sums, whole.sums)
    np.testing.assert_allclose(parts.squares, whole.squares)


def test_dispersion_agrees_with_scanpy(batches):
    sc = pytest.importorskip("scanpy")
    seen = np.asarray(batches["a"].sum(axis=0)).ravel() > 0
    cells = ad.AnnData(log_normalise(batches["a"])[:, seen])
    theirs = sc.pp.highly_variable_genes(cells, flavor="seurat", n_top_genes=100, inplace=False)
    ours = normalised_dispersion(moments(batches["a"]))["normalised_dispersion"].to_numpy()
    assert np.isnan(ours[~seen]).all()
    np.testing.assert_allclose(ours[seen], theirs["dispersions_norm"], rtol=2e-3, atol=2e-3)


def test_choice_over_batches_agrees_with_scanpy(batches):
    sc = pytest.importorskip("scanpy")
    cells = ad.AnnData(
        sparse.vstack([log_normalise(found) for found in batches.values()]).tocsr(),
        obs=pd.DataFrame({"batch": np.repeat(["a", "b", "c"], [200, 150, 120])}, index=map(str, range(470))),
        var=pd.DataFrame(index=GENES),
    )
    cells.obs["batch"] = cells.obs["batch"].astype("category")
    sc.pp.highly_variable_genes(cells, flavor="seurat", n_top_genes=100, batch_key="batch")
    ours = rank_variable_genes(
        {name: moments(found) for name, found in batches.items()}, GENES, n_variable_genes=100
    )
    assert len(ours) == 100
    assert len(set(ours["gene"]) & set(cells.var_names[cells.var["highly_variable"]])) >= 98


def test_planted_markers_come_first(batches):
    ours = rank_variable_genes(
        {name: moments(found) for name, found in batches.items()}, GENES, n_variable_genes=100
    )
    markers = set(GENES[:40])
    means = np.asarray(batches["a"].mean(axis=0)).ravel()
    detectable = {gene for gene, mean in zip(GENES, means, strict=True) if mean > 0.3}
    assert len(markers & detectable & set(ours["gene"])) >= 0.8 * len(markers & detectable)
    assert ours["n_batches"].is_monotonic_decreasing
    assert ours["rank"].tolist() == list(range(1, 101))


def test_damage_depth_and_clone_are_left_out_and_haemoglobin_is_not(batches):
    genes = ["MT-CO1", "RPL3", "TRBV7-9", "IGKV3-20", "HBB", *GENES[5:]]
    ours = rank_variable_genes({"a": moments(batches["a"])}, genes, n_variable_genes=490)
    assert not set(genes[:4]) & set(ours["gene"])
    assert "HBB" in set(ours["gene"])


def test_small_batches_are_pooled_until_they_suffice():
    sizes = {"big": 200, "mid": 60, "s1": 20, "s2": 5, "s3": 1}
    found = pool_small({name: moments(expression(n, n)) for name, n in sizes.items()}, 25)
    assert {name: part.n_cells for name, part in found.items()} == {"big": 200, "mid": 60, POOLED: 26}
    found = pool_small({name: moments(expression(n, n)) for name, n in sizes.items()}, 30)
    assert {name: part.n_cells for name, part in found.items()} == {"big": 200, POOLED: 86}
    found = pool_small({"only": moments(expression(4, 4))}, 30)
    assert {name: part.n_cells for name, part in found.items()} == {POOLED: 4}


def test_a_batch_of_one_cell_has_no_variable_gene():
    assert normalised_dispersion(moments(expression(1, 0)))["normalised_dispersion"].isna().all()
    assert rank_variable_genes({"one": moments(expression(1, 0))}, GENES).empty


def test_only_genes_of_all_samples_are_shared():
    one, other = expression(30, 1), expression(40, 2)
    genes, batches = gather(
        [("x", pd.Index(GENES), moments(one)), ("x", pd.Index(GENES[:9:-1]), moments(other[:, :9:-1]))]
    )
    assert genes == GENES[10:]
    assert batches["x"].n_cells == 70
    np.testing.assert_allclose(
        batches["x"].sums, moments(one).sums[10:] + moments(other[:, :9:-1]).sums[::-1]
    )
