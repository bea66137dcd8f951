"""The cohort's h5ad: slots, order, what is left out, and that others can read it."""

from __future__ import annotations

import argparse

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.errors import InputError
from stietime.settings import Compute
from stietime.steps import export
from stietime.storage import write_cells, write_table

GENES = {"a": ["CD3D", "MS4A1", "LYZ"], "b": ["LYZ", "CD3D", "HBB"]}
COUNTS = {
    "a": np.array([[1, 2, 3], [0, 0, 5], [4, 0, 0]], dtype=np.int32),
    "b": np.array([[7, 1, 9], [2, 2, 0]], dtype=np.int32),
}
KEPT = ["a:c2", "a:c0", "b:c0"]  # neither all cells nor in the order of the files


@pytest.fixture
def cohort_files(tmp_path):
    for sample, counts in COUNTS.items():
        index = pd.Index([f"{sample}:c{i}" for i in range(len(counts))])
        cells = ad.AnnData(
            sparse.csr_matrix(counts), pd.DataFrame(index=index), pd.DataFrame(index=GENES[sample])
        )
        write_cells(cells, tmp_path / f"{sample}.h5ad")
    samples = [cell[0] for cell in KEPT]
    cells = pd.DataFrame(
        {
            "cell": KEPT, "sample": samples, "patient": "p1", "environment": ["STIE", "STIE", "TIME"],
            "tissue": "blood", "chemistry": "10x 3' v3", "cancer": "NSCLC", "species": "human",
            "response": "", "batch": samples, "cluster": ["0", "1", "0"],
            "lineage": ["t_cell", "t_cell", "monocyte"],
            "cell_type": ["cd8_t", "t_cell", "odd_type"], "is_texp": [True, False, False],
        }
    )  # fmt: skip
    embedding = pd.DataFrame(
        {"cell": KEPT[::-1], "pca_1": [3.0, 2, 1], "harmony_1": [6.0, 5, 4], "umap_1": 0.0, "umap_2": 1.0}
    )
    write_table(cells, tmp_path / "cells.parquet")
    write_table(embedding, tmp_path / "embedding.parquet")
    return tmp_path


def _run(folder, *samples, corrected=(), block_gib=0.5):
    counts = [folder / f"{sample}.h5ad" for sample in samples or COUNTS]
    tables = {name: folder / f"{name}.parquet" for name in ("cells", "embedding")}
    export.run(
        argparse.Namespace(
            counts=counts,
            **tables,
            ambient_corrected=corrected,
            compute=Compute(block_gib=block_gib),
            output=folder / "cohort.h5ad",
        )
    )
    return ad.read_h5ad(folder / "cohort.h5ad")


def test_counts_are_those_of_the_files_in_the_order_of_the_cells(cohort_files):
    cohort = _run(cohort_files)
    assert cohort.obs_names.tolist() == KEPT
    assert cohort.var_names.tolist() == ["CD3D", "LYZ"]
    assert cohort.layers["counts"].toarray().tolist() == [[4, 0], [1, 3], [1, 7]]
    assert cohort.layers["counts"].dtype == np.int32


def in_memory(folder, tables):
    """The cohort put together in memory: the independent reference of what the step writes by blocks."""
    cells, embedding = (tables[name].set_index("cell") for name in ("cells", "embedding"))
    parts = [ad.read_h5ad(folder / f"{sample}.h5ad") for sample in GENES]
    together = ad.concat(parts, join="inner")[cells.index]
    counts = sparse.csr_matrix(together.X).astype(np.int32)
    scaled = counts.multiply(1e4 / np.asarray(counts.sum(axis=1), dtype=np.float64)).tocsr()
    return together.var_names, counts, np.log1p(scaled), embedding.loc[cells.index]


@pytest.mark.parametrize("block_gib", [0.5, 3e-6, 1e-9])
@pytest.mark.parametrize("order", ["of files", "turned"])
def test_every_slot_is_that_of_a_cohort_put_together_in_memory(tmp_path, block_gib, order):
    rng = np.random.default_rng(3)
    universe = np.array([f"G{place}" for place in range(60)])
    panels, ids = {"a": universe[:50], "b": universe[10:][::-1]}, []
    for sample, n_cells in (("a", 70), ("b", 40)):
        index = pd.Index([f"{sample}:c{place}" for place in range(n_cells)])
        counts = sparse.csr_matrix(rng.poisson(0.7, (n_cells, len(panels[sample]))).astype(np.int32))
        made = ad.AnnData(counts, pd.DataFrame(index=index), pd.DataFrame(index=panels[sample]))
        write_cells(made, tmp_path / f"{sample}.h5ad")
        ids.append(index[rng.random(n_cells) < 0.8])
    kept = ids[0].append(ids[1]) if order == "of files" else ids[1][::-1].append(ids[0])
    cells = pd.DataFrame({"cell": kept, "sample": [cell[0] for cell in kept], "patient": "p1"})
    cells["sample"] = cells["sample"].astype("category")
    cells["site"] = pd.Categorical(np.where(np.arange(len(kept)) % 2, "", "lung"))
    cells["score_x"] = rng.random(len(kept)).astype(np.float32)
    cells["is_texp"] = pd.array(rng.random(len(kept)) < 0.5, dtype="boolean")
    embedding = pd.DataFrame({"cell": kept, **{f"pca_{n}": rng.random(len(kept)) for n in (1, 2)}})
    tables = {"cells": cells, "embedding": embedding.sample(frac=1, random_state=0)}
    for name, table in tables.items():
        write_table(table, tmp_path / f"{name}.parquet")
    cohort = _run(tmp_path, block_gib=block_gib)
    genes, counts, expression, placed = in_memory(tmp_path, tables)
    assert cohort.obs_names.tolist() == kept.tolist()
    assert cohort.var_names.tolist() == genes.tolist()
    assert (cohort.layers["counts"] != counts).nnz == 0
    assert cohort.X.dtype == np.float32
    np.testing.assert_allclose(cohort.X.toarray(), expression.toarray(), rtol=1e-6)
    np.testing.assert_array_equal(cohort.obsm["X_pca"], placed.to_numpy(dtype=np.float32))
    assert cohort.obs["score_x"].tolist() == cells["score_x"].tolist()
    assert cohort.obs["is_texp"].tolist() == cells["is_texp"].tolist()
    assert cohort.obs["site"].cat.categories.tolist() == ["lung"]
    assert cohort.obs["site"].isna().tolist() == (cells["site"] == "").tolist()


def test_cells_of_two_samples_that_alternate_are_refused_and_nothing_is_left(cohort_files):
    for name in ("cells", "embedding"):
        path = cohort_files / f"{name}.parquet"
        table = pd.read_parquet(path).set_index("cell").loc[["a:c2", "b:c0", "a:c0"]].reset_index()
        write_table(table, path)
    before = sorted(path.name for path in cohort_files.iterdir())
    with pytest.raises(InputError, match="cells of other samples stand among those of a"):
        _run(cohort_files)
    assert sorted(path.name for path in cohort_files.iterdir()) == before


def test_a_sample_given_twice_or_missing_or_not_by_cell_is_refused(cohort_files):
    with pytest.raises(InputError, match="1 cells stand twice in the counts, such as b:c0"):
        _run(cohort_files, "a", "b", "b")
    with pytest.raises(InputError, match="the counts do not exist"):
        _run(cohort_files, "a", "c")
    cells = ad.read_h5ad(cohort_files / "b.h5ad")
    cells.X = sparse.csc_matrix(cells.X)
    write_cells(cells, cohort_files / "b.h5ad")
    with pytest.raises(InputError, match="not as csr_matrix"):
        _run(cohort_files)
    assert not (cohort_files / "cohort.h5ad").exists()
    assert not list(cohort_files.glob(".*partial*"))


def test_corrected_values_are_a_layer_beside_the_counts(cohort_files):
    for sample in COUNTS:
        cells = ad.read_h5ad(cohort_files / f"{sample}.h5ad")
        kept = cells[cells.obs_names.isin(KEPT)][::-1].copy()
        kept.X = kept.X.astype(np.float32) * 0.5
        write_cells(kept, cohort_files / f"{sample}_corrected.h5ad")
    paths = [cohort_files / f"{sample}_corrected.h5ad" for sample in COUNTS]
    cohort = _run(cohort_files, corrected=paths)
    assert cohort.layers["ambient_corrected"].toarray().tolist() == [[2, 0], [0.5, 1.5], [0.5, 3.5]]
    assert cohort.layers["counts"].toarray().tolist() == [[4, 0], [1, 3], [1, 7]]
    assert "ambient_corrected" not in _run(cohort_files).layers
    with pytest.raises(InputError, match="1 cells have no counts, such as b:c0"):
        _run(cohort_files, corrected=paths[:1])
    lacking = ad.read_h5ad(paths[0])[:, ["CD3D", "MS4A1"]].copy()
    write_cells(lacking, paths[0])
    with pytest.raises(InputError, match="1 genes of the counts are missing, such as LYZ"):
        _run(cohort_files, corrected=paths)


def test_genes_that_one_sample_lacks_are_left_out_and_listed(cohort_files):
    left_out = _run(cohort_files).uns["genes_left_out"]
    assert {sample: list(genes) for sample, genes in left_out.items()} == {"a": ["MS4A1"], "b": ["HBB"]}


def test_x_is_log1p_of_counts_per_10_000(cohort_files):
    cohort = _run(cohort_files)
    expected = [[4, 0], [1, 3], [1, 7]] / np.array([[4], [4], [8]]) * 1e4
    np.testing.assert_allclose(np.expm1(cohort.X.toarray()), expected, rtol=1e-5)


def test_the_embedding_is_joined_by_cell_not_by_place(cohort_files):
    cohort = _run(cohort_files)
    assert cohort.obsm["X_pca"].ravel().tolist() == [1, 2, 3]
    assert cohort.obsm["X_pca_harmony"].ravel().tolist() == [4, 5, 6]
    assert cohort.obsm["X_umap"].shape == (3, 2)


def test_columns_have_the_names_of_cellxgene(cohort_files):
    obs = _run(cohort_files).obs
    assert obs["donor_id"].tolist() == ["p1"] * 3
    assert obs["assay"].tolist() == ["10x 3' v3"] * 3
    assert obs["organism"].tolist() == ["Homo sapiens"] * 3
    assert obs["cell_type_ontology_term_id"].tolist() == ["CL:0000625", "CL:0000084", "unknown"]
    assert obs["cell_type_label"].tolist()[0] == "CD8+ T cell"
    assert obs["is_texp"].tolist() == [True, False, False]
    assert obs["response"].isna().all()


def test_there_is_a_colour_for_each_category(cohort_files):
    cohort = _run(cohort_files)
    for column in ("environment", "lineage", "cell_type", "cluster", "batch"):
        assert len(cohort.uns[f"{column}_colors"]) == len(cohort.obs[column].cat.categories)


def test_the_index_is_plain_text_that_r_can_read(cohort_files):
    _run(cohort_files)
    with h5py.File(cohort_files / "cohort.h5ad") as file:
        for part in ("obs", "var"):
            index = file[part][file[part].attrs["_index"]]
            assert index.attrs["encoding-type"] == "string-array"
            assert index.dtype.kind == "O"


def test_a_cell_without_counts_is_an_error(cohort_files):
    with pytest.raises(InputError, match="1 cells have no counts, such as b:c0"):
        _run(cohort_files, "a")


def test_a_cell_without_embedding_is_an_error(cohort_files):
    path = cohort_files / "embedding.parquet"
    write_table(pd.read_parquet(path).iloc[1:], path)
    with pytest.raises(InputError, match="1 cells are missing"):
        _run(cohort_files)


def test_samples_without_a_common_gene_are_an_error(cohort_files):
    cells = ad.read_h5ad(cohort_files / "b.h5ad")
    cells.var_names = ["Cd3d", "Lyz2", "Hbb-bt"]
    write_cells(cells, cohort_files / "b.h5ad")
    with pytest.raises(InputError, match="no gene is measured in every sample"):
        _run(cohort_files)
