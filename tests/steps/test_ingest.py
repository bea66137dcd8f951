"""The steps ingest and ingest-section, as they are called."""

from __future__ import annotations

import json
import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cli import main
from stietime.sample_sheet import Sample
from stietime.settings import Inputs
from stietime.storage import read_cells


@pytest.fixture
def shared(tmp_path):
    """Write a file that two samples share."""
    rng = np.random.default_rng(1)
    obs = pd.DataFrame(
        {"where": ["blood", "blood", "tumour"] * 4, "kind": ["T", "B", "Mono"] * 4, "sample": "theirs"},
        index=[f"AC{i}-1" for i in range(12)],
    )
    genes = ["CD4", "IL8", "CD3E", "CD3E", "TMEM173"]
    cells = ad.AnnData(sparse.csr_matrix(rng.poisson(2, (12, 5)).astype(np.float32)), obs=obs)
    cells.var_names = genes
    cells.obsm["spatial"] = rng.uniform(0, 1000, (12, 2))
    path = tmp_path / "shared.h5ad"
    cells.write_h5ad(path)
    return path


def row(path, **changes):
    fields = {
        "sample": "p1_blood",
        "patient": "p1",
        "environment": "STIE",
        "modality": "cells",
        "format": "h5ad",
        "path": str(path),
        "subset": "where=blood",
        "extra": {"smoker": "never"},
    }
    return Sample(**(fields | changes)).as_json()


def test_ingest_keeps_the_contract(shared, tmp_path):
    output = tmp_path / "cells" / "p1_blood" / "counts.h5ad"
    settings = Inputs(cell_type_column="kind", cell_type_names={"T": "t_cell", "B": "b_cell"}).as_json()
    command = ["step", "ingest", "--sample", row(shared), "--settings", settings, "--output", str(output)]
    assert main(command) == 0
    cells = read_cells(output)
    assert cells.X.dtype == np.int32
    assert cells.X.format == "csr"
    assert list(cells.var_names) == ["CD4", "CXCL8", "CD3E", "STING1"]
    assert list(cells.obs_names[:3]) == ["p1_blood:AC0-1", "p1_blood:AC1-1", "p1_blood:AC3-1"]
    obs = cells.obs.iloc[0].to_dict()
    assert obs["sample"] == "p1_blood"
    assert obs["source_sample"] == "theirs"  # a column of the file never hides ours
    assert (obs["smoker"], obs["batch"], obs["response"], obs["species"]) == ("never", "batch1", "", "human")
    assert list(cells.obs["given_cell_type"][:2]) == ["t_cell", "b_cell"]
    assert not {"path", "format", "subset", "modality"} & set(cells.obs)
    assert "spatial" not in cells.obsm
    facts = cells.uns["ingest"]
    assert facts["n_cells"] == 8
    assert facts["n_genes_renamed"] == 2
    assert facts["n_genes_merged"] == 1
    assert facts["path"] == str(shared)
    assert facts["subset"] == "where=blood"
    assert all(np.ndim(value) == 0 for value in facts.values())


def test_ingest_section_gives_micrometres_with_and_without_genes(shared, tmp_path):
    output = tmp_path / "counts.h5ad"
    settings = Inputs(um_per_unit=0.5).as_json()
    section = row(shared, modality="section", sample="s1", subset="")
    assert (
        main(
            ["step", "ingest-section", "--section", section, "--settings", settings, "--output", str(output)]
        )
        == 0
    )
    cells = read_cells(output)
    np.testing.assert_allclose(cells.obsm["spatial"], ad.read_h5ad(shared).obsm["spatial"] / 2)
    assert cells.n_vars == 4

    table = tmp_path / "cells.csv"
    pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0], "kind": ["a", None]}).to_csv(table, index=False)
    section = row(table, modality="section", sample="s2", subset="", format="cell_table")
    assert main(["step", "ingest-section", "--section", section, "--output", str(output)]) == 0
    cells = read_cells(output)
    assert cells.shape == (2, 0)
    np.testing.assert_array_equal(cells.obsm["spatial"], [[1, 3], [2, 4]])
    assert list(cells.obs["source_kind"]) == ["a", ""]
    assert list(cells.obs_names) == ["s2:1", "s2:2"]


def test_a_bad_file_ends_with_2_and_leaves_nothing_behind(shared, tmp_path, capsys):
    output = tmp_path / "out" / "counts.h5ad"
    assert (
        main(["step", "ingest", "--sample", row(shared, subset="where=lymph"), "--output", str(output)]) == 2
    )
    message = capsys.readouterr().err
    assert "no row has where=lymph" in message
    assert "found blood, tumour" in message
    assert str(shared) in message
    assert not output.exists()


def test_a_row_that_is_no_row_ends_with_2(tmp_path, capsys):
    assert (
        main(["step", "ingest", "--sample", json.dumps({"sample": "a"}), "--output", str(tmp_path / "o")])
        == 2
    )
    assert "patient: Field required" in capsys.readouterr().err


def test_dissociated_cells_are_no_section(shared, tmp_path, capsys):
    command = ["step", "ingest-section", "--section", row(shared), "--output", str(tmp_path / "o.h5ad")]
    assert main(command) == 2
    assert "modality cells" in capsys.readouterr().err


def test_the_environment_is_expanded_but_the_log_keeps_it(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_DATA", str(tmp_path))
    output = tmp_path / "counts.h5ad"
    assert main(["step", "ingest", "--sample", row("$MY_DATA/shared.h5ad"), "--output", str(output)]) == 0
    assert read_cells(output).uns["ingest"]["path"] == "$MY_DATA/shared.h5ad"


def test_ingest_does_not_pay_for_scanpy(shared, tmp_path):
    code = (
        "import sys; from stietime.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'scanpy', 'sklearn', 'numba', 'matplotlib', 'squidpy'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(code)"
    )
    command = ["step", "ingest", "--sample", row(shared), "--output", str(tmp_path / "counts.h5ad")]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.data
def test_a_zilionis_sample_through_the_command(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("STIETIME_DATA", str(data_dir))
    path = "$STIETIME_DATA/zilionis_nsclc_blood_tumor_300/zilionis300_counts_recovered.h5ad"
    sample = row(path, subset="Tissue=blood; Patient=p1")
    assert main(["step", "ingest", "--sample", sample, "--output", str(tmp_path / "counts.h5ad")]) == 0
    cells = read_cells(tmp_path / "counts.h5ad")
    assert cells.n_obs == 42
    source = ad.read_h5ad(data_dir / path.removeprefix("$STIETIME_DATA/"))
    mine = source[(source.obs["Tissue"] == "blood") & (source.obs["Patient"] == "p1")]
    assert cells.X.sum() == mine.X.sum()
    assert list(cells.obs["source_Major.cell.type"]) == list(mine.obs["Major.cell.type"])
