"""`stietime validate`: one line per sample, or every problem at once."""

from __future__ import annotations

import time

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from stietime.cli import main
from stietime.commands import validate as module
from stietime.commands.validate import validate
from stietime.errors import InputError

HEADER = "sample\tpatient\tenvironment\tmodality\tformat\tpath\tsubset"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Give a function that writes a config and a sheet in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def write(*rows, header=HEADER, **config):
        (tmp_path / "samples.tsv").write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n")
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({"samples": "samples.tsv", **config}))
        return tmp_path / "config.yaml"

    return write


def write_h5ad(path, x, n_genes=8):
    cells = ad.AnnData(sparse.csr_matrix(x))
    cells.var_names = [f"GENE{i}" for i in range(cells.n_vars)]
    cells.obs["donor"] = ["a", "b"] * (cells.n_obs // 2)
    cells.write_h5ad(path)


def cells_row(name="s1", path="a.h5ad", subset="", file_format="h5ad", modality="cells"):
    return (name, "p1", "STIE", modality, file_format, str(path), subset)


def refused(capsys, config):
    assert main(["validate", "--configfile", str(config)]) == 2
    return capsys.readouterr().err


def test_every_sample_has_its_line(project, tmp_path, capsys):
    write_h5ad(tmp_path / "a.h5ad", np.ones((10, 8)))
    pd.DataFrame({"x": [1, 2], "y": [1, 2]}).to_csv(tmp_path / "t.csv", index=False)
    config = project(
        cells_row(),
        cells_row("s2", subset="donor=b"),
        cells_row("s3", "t.csv", file_format="cell_table", modality="section"),
    )
    assert main(["validate", "--configfile", str(config)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "s1: 10 cells x 8 genes",
        "s2: 5 cells x 8 genes",
        "s3: 2 cells x 0 genes",
    ]


def test_every_bad_file_is_told_at_once(project, tmp_path, capsys):
    counts = np.ones((10, 8))
    write_h5ad(tmp_path / "good.h5ad", counts)
    write_h5ad(tmp_path / "log.h5ad", np.log1p(counts))
    write_h5ad(tmp_path / "zero.h5ad", np.zeros((10, 8)))
    (tmp_path / "text.h5").write_text("not hdf5")
    (tmp_path / "folder").mkdir()
    pd.DataFrame({"row": [1, 2], "type": [1, 2]}).to_csv(tmp_path / "t.csv", index=False)
    config = project(
        cells_row("good", "good.h5ad"),
        cells_row("logged", "log.h5ad"),
        cells_row("zeros", "zero.h5ad"),
        cells_row("texts", "text.h5", file_format="10x_h5"),
        cells_row("folder", "folder", file_format="10x_mtx"),
        cells_row("nobody", "good.h5ad", subset="donor=z"),
        cells_row("placeless", "t.csv", file_format="cell_table", modality="section"),
    )
    message = refused(capsys, config)
    words = {
        "logged": "log values",
        "zeros": "no value but zero",
        "texts": "it is text that begins with 'not hdf5'",
        "folder": "no .mtx or .mtx.gz file",
        "nobody": "found a, b",
        "placeless": "no column x and no column y",
    }
    for name, word in words.items():
        assert f"sample {name}: " in message
        assert word in message
    assert "sample good" not in message
    assert message.count("fix:") == len(words)


@pytest.mark.parametrize(
    ("rows", "header", "config", "words"),
    [
        ([cells_row()], HEADER, {"qualty": {}}, ["config.yaml", "qualty", "quality"]),
        ([cells_row()], HEADER, {"clustering": {"resolution": -1}}, ["clustering.resolution", "-1"]),
        (
            [cells_row()],
            HEADER.replace("\tpath", "\tfile"),
            {},
            ["samples.tsv, row 1", "column path is missing"],
        ),
        ([cells_row(), cells_row()], HEADER, {}, ["row 3, column sample", "s1 already stands in row 2"]),
        ([cells_row(path="b.h5ad")], HEADER, {}, ["row 2, column path", "b.h5ad does not exist"]),
        ([], HEADER, {"samples": "other.tsv"}, ["other.tsv", "does not exist"]),
    ],
)
def test_bad_config_and_sheets_end_with_2_and_say_where(
    project, tmp_path, capsys, rows, header, config, words
):
    write_h5ad(tmp_path / "a.h5ad", np.ones((4, 8)))
    message = refused(capsys, project(*rows, header=header, **config))
    for word in (*words, "fix:"):
        assert word in message


def test_gene_sets_are_checked_with_the_files(project, tmp_path, capsys):
    write_h5ad(tmp_path / "a.h5ad", np.ones((4, 8)))
    (tmp_path / "own.gmt").write_text("lonely\n")
    message = refused(capsys, project(cells_row(), states={"gene_sets": "own.gmt"}))
    assert "own.gmt, row 1" in message
    message = refused(capsys, project(cells_row(), states={"gene_sets": "none.tsv"}))
    assert "none.tsv" in message
    (tmp_path / "own.gmt").write_text("set\tna\tGENE1\n")
    assert main(["validate", "--configfile", str(project(cells_row(), states={"gene_sets": "own.gmt"}))]) == 0


def test_a_missing_config_ends_with_2(tmp_path, capsys):
    assert "does not exist" in refused(capsys, tmp_path / "none.yaml")


def test_files_a_simulation_will_write_are_no_error(project, tmp_path, capsys):
    simulation = {"output_dir": "resources/demo"}
    config = project(cells_row(path="resources/demo/s1.h5ad"), simulation=simulation)
    assert [str(line) for line in validate(config)] == ["s1: the simulation will write it"]
    config = project(cells_row(path="elsewhere/s1.h5ad"), simulation=simulation)
    assert "elsewhere/s1.h5ad does not exist" in refused(capsys, config)
    (tmp_path / "resources" / "demo").mkdir(parents=True)
    write_h5ad(tmp_path / "resources" / "demo" / "s1.h5ad", np.log1p(np.ones((4, 8))))
    config = project(cells_row(path="resources/demo/s1.h5ad"), simulation=simulation)
    assert "log values" in refused(capsys, config)


def test_cell_type_names_are_checked_before_a_run(project, tmp_path, capsys):
    write_h5ad(tmp_path / "a.h5ad", np.ones((4, 8)))
    inputs = {"cell_type_column": "donor", "cell_type_names": {"a": "t_cell", "b": "bcell"}}
    assert "'bcell'" in refused(capsys, project(cells_row(), inputs=inputs))
    inputs["cell_type_names"]["b"] = "b_cell"
    assert len(validate(project(cells_row(), inputs=inputs))) == 1


def test_a_shared_file_is_opened_once(project, tmp_path, monkeypatch):
    write_h5ad(tmp_path / "a.h5ad", np.ones((10, 8)))
    opened = []
    original = module._open
    monkeypatch.setattr(
        module, "_open", lambda sample, values: opened.append(sample.sample) or original(sample, values)
    )
    validate(project(*(cells_row(f"s{i}", subset=f"donor={'ab'[i % 2]}") for i in range(6))))
    assert opened == ["s0"]


def test_a_large_file_is_not_read_whole(project, tmp_path):
    n_cells, n_genes = 40_000, 500
    rng = np.random.default_rng(0)
    matrix = sparse.random(n_cells, n_genes, density=0.5, format="csr", rng=rng, data_rvs=np.ones)
    obs = pd.DataFrame(index=[str(i) for i in range(n_cells)])
    var = pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)])
    ad.AnnData(matrix, obs=obs, var=var).write_h5ad(tmp_path / "a.h5ad")
    config = project(cells_row())
    validate(config)
    start = time.process_time()
    (checked,) = validate(config)
    assert time.process_time() - start < 1.5
    assert checked.n_cells == n_cells


def test_validate_can_be_called_by_other_commands(project, tmp_path):
    write_h5ad(tmp_path / "a.h5ad", np.log1p(np.ones((4, 8))))
    with pytest.raises(InputError, match="sample s1: no counts were found"):
        validate(project(cells_row()))


@pytest.mark.data
def test_real_files(project, data_dir, capsys, monkeypatch):
    monkeypatch.setenv("STIETIME_DATA", str(data_dir))
    zilionis = "$STIETIME_DATA/zilionis_nsclc_blood_tumor_300/zilionis300_counts_recovered.h5ad"
    config = project(
        cells_row("p1_blood", zilionis, "Tissue=blood; Patient=p1"),
        cells_row("p1_tumour", zilionis, "Tissue=tumor; Patient=p1"),
        cells_row("pbmc", "$STIETIME_DATA/pbmc_three_chemistries_10x/mtx_v2_raw", file_format="10x_mtx"),
    )
    assert main(["validate", "--configfile", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["p1_blood: 42 cells x 20388 genes", "p1_tumour: 77 cells x 20388 genes"]
    assert lines[2].startswith("pbmc: 996 cells x 335")
    config = project(cells_row("pbmc", "$STIETIME_DATA/symphony_pbmc_1200/symphony_pbmc_1200.h5ad"))
    assert "log values" in refused(capsys, config)


def test_an_unfiltered_matrix_is_opened_too(project, tmp_path, capsys):
    write_h5ad(tmp_path / "a.h5ad", np.ones((10, 8)))
    write_h5ad(tmp_path / "raw.h5ad", np.ones((30, 8)))
    write_h5ad(tmp_path / "other.h5ad", np.ones((30, 5)))
    header = f"{HEADER}\traw_path"
    config = project((*cells_row(), "raw.h5ad"), header=header)
    assert main(["validate", "--configfile", str(config)]) == 0
    assert capsys.readouterr().out.splitlines() == ["s1: 10 cells x 8 genes"]
    config = project((*cells_row(), "other.h5ad"), (*cells_row("s2"), ""), header=header)
    message = refused(capsys, config)
    assert "sample s1: the unfiltered matrix has other genes: 3 of 8 are not in it, such as GENE5" in message
    assert "other.h5ad, named in samples.tsv, row 2, column raw_path" in message
    assert "s2" not in message


def test_receptors_are_read_and_their_cells_looked_for(project, tmp_path, capsys):
    write_h5ad(tmp_path / "a.h5ad", np.ones((4, 8)))
    barcodes = ad.read_h5ad(tmp_path / "a.h5ad").obs_names
    for name, cells in (("good", barcodes), ("bad", ["X", "Y"])):
        rows = "".join(f"{cell}\tc{number}\n" for number, cell in enumerate(cells))
        (tmp_path / f"{name}.tsv").write_text(f"cell\tmy_clone\n{rows}")
    header = f"{HEADER}\treceptors"
    clones = {"clone_column": "my_clone"}
    config = project((*cells_row(), "good.tsv"), header=header, clones=clones)
    assert main(["validate", "--configfile", str(config)]) == 0
    capsys.readouterr()
    message = refused(capsys, project((*cells_row(), "bad.tsv"), header=header, clones=clones))
    assert "2 of the 2 cells with a receptor are not cells of the sample, such as X, Y" in message
    assert "row 2, column receptors" in message
