"""The steps ingest and ingest-section, as they are called."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

from stietime.cli import main
from stietime.sample import Sample
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


GENES = ["CD4", "IL8", "CD3E", "CD3E", "TMEM173"]  # two that are summed, two of old names


@pytest.fixture
def capture(tmp_path):
    """Give a function that writes a capture's unfiltered matrix beside its cells, and the row of both."""
    rng = np.random.default_rng(7)
    cells, empty = rng.poisson(40, (12, 5)), rng.poisson(3, (50, 5))
    cells[0] = [1, 2, 0, 0, 3]  # a shallow cell: known as a cell, so no empty droplet
    empty[:2] = 0
    big = rng.poisson(60, (3, 5))  # beyond 100 counts, no cell of the sample: left out
    names = [f"ACGTACGT{''.join(tail)}-1" for tail in product("ACGT", repeat=4)][:65]
    raw = np.vstack([cells, empty, big])
    tidy = ad.AnnData(sparse.csr_matrix(cells), obs=pd.DataFrame(index=names[:12]))
    tidy.var_names = GENES
    tidy.write_h5ad(tmp_path / "cells.h5ad")

    def write(suffix, *, genes=GENES, barcodes=names, rows=slice(None)):
        path = tmp_path / f"raw{suffix}"
        matrix, barcodes = sparse.csr_matrix(raw[rows]), np.array(barcodes)[rows]
        {"": write_folder, ".h5": write_h5, ".h5ad": write_h5ad}[suffix](path, matrix, barcodes, genes)
        return row(tmp_path / "cells.h5ad", subset="", raw_path=str(path)), empty.sum(axis=0)

    return write


def write_folder(path, matrix, barcodes, genes):
    path.mkdir()
    mmwrite(path / "matrix.mtx", matrix.T.astype(int))
    (path / "barcodes.tsv").write_text("\n".join(barcodes) + "\n")
    (path / "features.tsv").write_text("".join(f"ID{i}\t{g}\tGene Expression\n" for i, g in enumerate(genes)))


def write_h5(path, matrix, barcodes, genes):
    by_droplet = sparse.csr_matrix(matrix)
    with h5py.File(path, "w") as handle:
        group = handle.create_group("matrix")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(by_droplet, key)
        group["shape"] = [matrix.shape[1], matrix.shape[0]]
        group["barcodes"] = np.array(barcodes, dtype="S")
        features = {"id": [f"ID{i}" for i in range(len(genes))], "name": genes}
        for key, values in (features | {"feature_type": ["Gene Expression"] * len(genes)}).items():
            group[f"features/{key}"] = np.array(values, dtype="S")


def write_h5ad(path, matrix, barcodes, genes):
    droplets = ad.AnnData(matrix, obs=pd.DataFrame(index=list(barcodes)))
    droplets.var_names = list(genes)
    droplets.write_h5ad(path)


def ingest(sample, output):
    return main(["step", "ingest", "--sample", sample, "--output", str(output)])


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize("suffix", ["", ".h5", ".h5ad"])
def test_empty_droplets_of_an_unfiltered_matrix_are_summed(capture, tmp_path, suffix):
    sample, by_gene = capture(suffix)
    assert ingest(sample, tmp_path / "counts.h5ad") == 0
    cells = read_cells(tmp_path / "counts.h5ad")
    assert list(cells.var_names) == ["CD4", "CXCL8", "CD3E", "STING1"]
    found = cells.var["empty_droplet_counts"]
    assert found.dtype == np.int64
    expected = [by_gene[0], by_gene[1], by_gene[2] + by_gene[3], by_gene[4]]
    assert found.tolist() == expected
    assert cells.uns["ingest"]["n_empty_droplets"] == 48  # two of 50 hold nothing
    assert cells.uns["ingest"]["n_cells_in_raw_matrix"] == 12
    assert "raw_path" not in cells.obs
    assert cells.uns["ingest"]["raw_path"] == json.loads(sample)["raw_path"]
    assert cells.X.sum() == ad.read_h5ad(tmp_path / "cells.h5ad").X.sum()


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_cells_are_found_by_the_sequence_of_their_barcodes(capture, tmp_path):
    capture(".h5ad")
    droplets = ad.read_h5ad(tmp_path / "raw.h5ad")
    barcodes = [name.removesuffix("-1") for name in droplets.obs_names]
    (tmp_path / "raw.h5ad").unlink()
    sample, by_gene = capture(".h5ad", barcodes=barcodes)
    assert ingest(sample, tmp_path / "counts.h5ad") == 0
    cells = read_cells(tmp_path / "counts.h5ad")
    assert cells.uns["ingest"]["n_cells_in_raw_matrix"] == 12
    assert cells.var["empty_droplet_counts"].sum() == by_gene.sum()


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"genes": ["CD4", "IL8", "CD3E", "CD3E", "CD19"]}, ["has other genes: 1 of 4", "such as STING1"]),
        ({"rows": slice(0, 12)}, ["no droplet beside the cells has 1 to 100 counts"]),
        ({"barcodes": [f"TTTTTTTTGGGG{i}" for i in range(65)]}, ["none of the 12 cells", "TTTTTTTTGGGG0"]),
    ],
)
def test_an_unfiltered_matrix_of_something_else_is_refused(capture, tmp_path, capsys, changes, words):
    sample, _ = capture(".h5ad", **changes)
    assert ingest(sample, tmp_path / "counts.h5ad") == 2
    message = capsys.readouterr().err
    for word in [*words, str(tmp_path / "raw.h5ad"), "leave raw_path empty"]:
        assert word in message
    assert not (tmp_path / "counts.h5ad").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.h5", "the unfiltered matrix does not exist"),
        ("raw.txt", "cannot be told from the name raw.txt"),
    ],
)
def test_an_unfiltered_matrix_must_be_there_and_of_a_known_kind(capture, tmp_path, capsys, name, words):
    capture(".h5ad")
    (tmp_path / "raw.txt").write_text("1")
    sample = row(tmp_path / "cells.h5ad", subset="", raw_path=str(tmp_path / name))
    assert ingest(sample, tmp_path / "counts.h5ad") == 2
    assert words in capsys.readouterr().err


def unfiltered(tmp_path, n_used, n_unused):
    """Write droplets of a few counts, cells, and barcodes that no molecule bears."""
    rng = np.random.default_rng(3)
    counts = np.vstack([rng.poisson(1, (n_used, 20)) + np.eye(20)[0], rng.poisson(50, (30, 20))])
    counts = np.vstack([np.zeros((n_unused, 20)), counts])
    write_h5ad(
        tmp_path / "raw.h5ad",
        sparse.csr_matrix(counts.astype(np.float32)),
        [f"AC{i}-1" for i in range(len(counts))],
        [f"GENE{i}" for i in range(20)],
    )
    return row(tmp_path / "raw.h5ad", subset="")


def test_barcodes_without_a_count_are_left_out_of_an_unfiltered_matrix(tmp_path):
    assert ingest(unfiltered(tmp_path, 2500, 500), tmp_path / "counts.h5ad") == 0
    cells = read_cells(tmp_path / "counts.h5ad")
    assert cells.n_obs == 2530
    assert cells.obs_names[0] == "p1_blood:AC500-1"
    facts = cells.uns["ingest"]
    assert (facts["n_cells_in_file"], facts["n_cells"]) == (3030, 2530)
    assert (facts["n_barcodes_left_out"], facts["n_cells_without_counts"]) == (500, 0)


def test_cells_without_a_count_stay_in_a_matrix_of_cells(tmp_path):
    assert ingest(unfiltered(tmp_path, 40, 10), tmp_path / "counts.h5ad") == 0
    cells = read_cells(tmp_path / "counts.h5ad")
    assert cells.n_obs == 80
    assert cells.uns["ingest"]["n_cells_without_counts"] == 10
    assert "n_barcodes_left_out" not in cells.uns["ingest"]
