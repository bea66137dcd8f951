"""The step correct-ambient, as the workflow calls it."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import storage
from stietime.cells.ambient.correction import subtract_ambient
from stietime.cli import main

COUNTS = np.array([[8, 2, 0], [0, 5, 5], [1, 1, 1]], dtype=np.int32)


@pytest.fixture
def correct(tmp_path):
    """Write a sample's tables; give a function that runs the step on them."""
    cells = ad.AnnData(sparse.csr_matrix(COUNTS), obs=pd.DataFrame({"sample": "p1"}, index=["a", "b", "c"]))
    cells.var_names = ["CD3E", "HBB", "LYZ"]
    storage.write_cells(cells, tmp_path / "counts.h5ad")

    def run(contamination, keep=(True, True, False), genes=("HBB", "LYZ")):
        quality = storage.cell_table(cells.obs.index, keep=list(keep), reason="kept")
        storage.write_table(quality, tmp_path / "quality.parquet")
        ambient = pd.DataFrame({"gene": genes, "ambient_share": [0.75, 0.25]})
        storage.write_table(ambient, tmp_path / "ambient.tsv")
        source = "estimated" if np.isfinite(contamination) else ""
        summary = {"sample": "p1", "contamination": contamination, "contamination_source": source}
        storage.write_table(pd.DataFrame([summary]), tmp_path / "summary.tsv")
        names = {"counts": "counts.h5ad", "quality": "quality.parquet", "ambient": "ambient.tsv"}
        names |= {"sample-quality": "summary.tsv", "output": "corrected.h5ad"}
        words = [word for key, name in names.items() for word in (f"--{key}", str(tmp_path / name))]
        return main(["step", "correct-ambient", *words, "--settings", "{}"]), tmp_path / "corrected.h5ad"

    return run


def test_kept_cells_are_corrected_by_the_sample_s_own_share(correct):
    code, path = correct(0.2)
    assert code == 0
    found = storage.read_cells(path)
    assert list(found.obs_names) == ["a", "b"]
    assert found.X.dtype == np.float32
    expected = subtract_ambient(sparse.csr_matrix(COUNTS[:2]), np.array([0, 0.75, 0.25]), 0.2)
    np.testing.assert_allclose(found.X.toarray(), expected.toarray())
    np.testing.assert_allclose(found.X.toarray()[1], [0, 3.5, 4.5])
    np.testing.assert_allclose(found.var["ambient_share"], [0, 0.75, 0.25])
    facts = found.uns["ambient_correction"]
    assert facts["contamination"] == pytest.approx(0.2)
    assert facts["contamination_source"] == "estimated"
    assert facts["fraction_removed"] == pytest.approx(0.2)
    assert facts["note"] == ""


def test_without_an_estimate_the_values_are_the_counts(correct):
    code, path = correct(np.nan)
    assert code == 0
    found = storage.read_cells(path)
    np.testing.assert_array_equal(found.X.toarray(), COUNTS[:2])
    assert found.X.dtype == np.float32
    assert "could not be estimated" in found.uns["ambient_correction"]["note"]
    assert np.isnan(found.uns["ambient_correction"]["contamination"])


def test_a_sample_without_kept_cells_gives_an_empty_matrix(correct):
    code, path = correct(0.2, keep=(False, False, False))
    assert code == 0
    assert storage.read_cells(path).shape == (0, 3)


def test_a_table_of_other_genes_is_refused(correct, capsys):
    code, path = correct(0.2, genes=("HBB", "NOT_THERE"))
    assert code == 2
    assert "1 genes are not among those of the counts, such as NOT_THERE" in capsys.readouterr().err
    assert not path.exists()
