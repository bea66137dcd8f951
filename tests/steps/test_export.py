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


def _run(folder, *samples, corrected=()):
    counts = [folder / f"{sample}.h5ad" for sample in samples or COUNTS]
    tables = {name: folder / f"{name}.parquet" for name in ("cells", "embedding")}
    export.run(
        argparse.Namespace(
            counts=counts, **tables, ambient_corrected=corrected, output=folder / "cohort.h5ad"
        )
    )
    return ad.read_h5ad(folder / "cohort.h5ad")


def test_counts_are_those_of_the_files_in_the_order_of_the_cells(cohort_files):
    cohort = _run(cohort_files)
    assert cohort.obs_names.tolist() == KEPT
    assert cohort.var_names.tolist() == ["CD3D", "LYZ"]
    assert cohort.layers["counts"].toarray().tolist() == [[4, 0], [1, 3], [1, 7]]
    assert cohort.layers["counts"].dtype == np.int32


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
