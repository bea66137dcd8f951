import hashlib
from pathlib import Path

import anndata as ad
import pytest

from stietime.cli import main
from stietime.configuration import read_settings
from stietime.settings import Simulation
from stietime.simulate.folder import sample_sheet
from stietime.storage import read_table

ROOT = Path(__file__).parents[2]
SMALL = ("--patients", "2", "--cells", "60", "--sections", "1", "--cells-per-section", "200")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulated") / "demo"
    assert main(["simulate", "--output-dir", str(path), *SMALL]) == 0
    return path


def checksums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_committed_sheet_is_the_one_that_is_written(tmp_path, monkeypatch):
    defaults = Simulation()
    sheet = sample_sheet(defaults.n_patients, defaults.n_sections, defaults.output_dir)
    path = tmp_path / "samples.tsv"
    sheet.to_csv(path, sep="\t", index=False)
    assert path.read_text() == (ROOT / "config" / "samples.tsv").read_text()


def test_the_folder_is_complete(folder):
    sheet = read_table(folder / "samples.tsv")
    assert len(sheet) == 9
    assert all(Path(path).is_file() for path in sheet["path"])
    settings = read_settings(folder / "config.yaml")
    assert settings.samples == str(folder / "samples.tsv")
    assert settings.simulation == Simulation(
        output_dir=str(folder), n_patients=2, n_cells_per_sample=60, n_sections=1, n_cells_per_section=200
    )
    files = {path.name for path in folder.iterdir()}
    receptors = {f"{name}_airr.tsv" for name in sheet.loc[sheet["modality"] == "cells", "sample"]}
    counts = {f"{name}.h5ad" for name in sheet["sample"]}
    assert files == {"samples.tsv", "config.yaml", "truth.tsv", *counts, *receptors}


def test_the_sheet_passes_the_pipelines_own_checks(folder):
    from stietime.sample_sheet import read_sample_sheet

    samples = read_sample_sheet(folder / "samples.tsv")
    assert [sample.modality for sample in samples].count("section") == 1
    assert {sample.environment for sample in samples} == {"STIE", "TIME"}


def test_truth_is_there_for_every_sample_and_section(folder):
    truth = read_table(
        folder / "truth.tsv", ["sample", "entity", "level", "n", "n_parent", "planted_fraction"]
    )
    sheet = read_table(folder / "samples.tsv")
    assert set(truth["sample"]) == set(sheet["sample"])
    assert truth.loc[truth["level"] == "section_class", "entity"].tolist() == ["infiltrated"]
    cells = ad.read_h5ad(folder / "p1_blood_before.h5ad")
    assert cells.n_obs == 60
    assert {"true_lineage", "true_cell_type", "true_state", "true_kind"} <= set(cells.obs.columns)
    section = ad.read_h5ad(folder / "s1_infiltrated.h5ad")
    assert {"x", "y", "true_region", "true_class"} <= set(section.obs.columns)


def test_the_same_options_give_the_same_files(folder):
    before = checksums(folder)
    settings = '{"n_patients": 2, "n_cells_per_sample": 60, "n_sections": 1, "n_cells_per_section": 999}'
    words = ["--settings", settings, "--cells-per-section", "200", "--output-dir", str(folder)]
    assert main(["simulate", *words]) == 0
    assert checksums(folder) == before


def test_options_that_are_not_allowed_end_with_2(tmp_path, capsys):
    words = ["--output-dir", str(tmp_path / "demo"), "--patients", "1", "--cells", "10"]
    assert main(["simulate", *words]) == 2
    message = capsys.readouterr().err
    assert "--patients" in message
    assert "--cells" in message
    assert not (tmp_path / "demo").exists()
    assert main(["simulate", "--settings", '{"n_pateints": 3}']) == 2
    assert "n_pateints" in capsys.readouterr().err
