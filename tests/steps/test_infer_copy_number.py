"""The step infer-copy-number, called as on the command line."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tests.cells.copy_number.planted import GAINS_AND_LOSSES, plant

from stietime import cli, names, storage

SIZES = {"epithelial": 80, "t_cell": 70, "macrophage": 60}
# sample: seed, copy numbers, cells, number of genes
SAMPLES = {
    "tumour": (1, GAINS_AND_LOSSES, {**SIZES, "erythroid": 10}, 6000),
    "normal": (1, {}, SIZES, 6000),
    "blood": (1, {}, {"t_cell": 70, "macrophage": 60}, 6000),
    "sorted": (1, GAINS_AND_LOSSES, {"epithelial": 60}, 6000),
    "few": (1, GAINS_AND_LOSSES, {"epithelial": 9, "t_cell": 110}, 6000),
    "panel": (2, GAINS_AND_LOSSES, SIZES, 900),
}


def infer(folder, samples, output="out", settings=None, types="types.parquet", block_gib=0.5):
    counts = [folder / f"{name}.h5ad" for name in samples]
    tables = [folder / f"{output}.{kind}.tsv" for kind in ("samples", "arms", "profile")]
    words = ("--counts", *counts, "--quality", *(path.with_suffix(".parquet") for path in counts))
    words += ("--cell-types", folder / types, "--output", folder / f"{output}.parquet", "--tables", *tables)
    words += ("--settings", json.dumps({"n_orders": 8, **(settings or {})}))
    words += ("--compute", json.dumps({"block_gib": block_gib}))
    code = cli.main(["step", "infer-copy-number", *map(str, words)])
    if code:
        return code
    found = storage.read_table(folder / f"{output}.parquet").set_index("cell")
    return found, *(storage.read_table(path) for path in tables)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Counts, quality (every tenth cell is dropped) and types of all samples."""
    out = tmp_path_factory.mktemp("copy_numbers")
    types = []
    for name, (seed, changes, sizes, n_genes) in SAMPLES.items():
        counts, genes, lineages, _ = plant(seed, changes, sizes=sizes, n_genes=n_genes)
        cells = pd.Index([f"{name}:{i}" for i in range(len(lineages))], dtype=object)
        facts = {"sample": name, "species": "human", "chemistry": "other" if name == "panel" else "v3"}
        obs = pd.DataFrame({**facts, "true": lineages.astype(str)}, index=cells)
        storage.write_cells(ad.AnnData(counts, obs, pd.DataFrame(index=genes)), out / f"{name}.h5ad")
        keep = np.arange(len(cells)) % 10 != 5
        quality = storage.cell_table(cells, keep=keep, reason=np.where(keep, "kept", "doublet"))
        storage.write_table(quality, out / f"{name}.parquet")
        types.append(storage.cell_table(obs.index[keep], lineage=lineages[keep].astype(str)))
    storage.write_table(pd.concat(types), out / "types.parquet")
    return out


@pytest.fixture(scope="module")
def found(folder):
    return infer(folder, SAMPLES)


def test_every_kept_cell_has_a_row_and_only_epithelial_cells_a_call(folder, found):
    cells = found[0]
    types = storage.read_table(folder / "types.parquet").set_index("cell")["lineage"]
    assert cells.index.tolist() == types.index.tolist()
    assert list(cells) == [names.COPY_NUMBER_SIGNAL, names.COPY_NUMBER_CORRELATION, names.IS_MALIGNANT]
    sample = cells.index.str.partition(":").get_level_values(0)
    tested = np.isin(sample, ["tumour", "normal", "sorted"]) & (types == "epithelial").to_numpy()
    assert (cells[names.IS_MALIGNANT].notna().to_numpy() == tested).all()
    reference = np.isin(sample, ["tumour", "normal"]) & types.isin(["t_cell", "macrophage"]).to_numpy()
    assert (cells[names.COPY_NUMBER_SIGNAL].notna().to_numpy() == (tested | reference)).all()


def test_planted_copy_numbers_are_called_and_nothing_else(found):
    cells, samples, arms, profile = found
    samples = samples.set_index("sample")
    assert samples.index.tolist() == list(SAMPLES)
    assert samples.loc["tumour", "share_called"] > 0.6
    assert samples.loc["normal", "n_called"] == 0
    assert samples.loc["tumour", "reference"] == "sample"
    assert samples.loc["tumour", "n_reference"] == 117  # no erythroid cells, no dropped ones
    assert samples.loc["tumour", "n_epithelial"] == 72
    is_tumour = cells.index.str.startswith("tumour:")
    assert cells.loc[is_tumour, names.IS_MALIGNANT].sum() == samples.loc["tumour", "n_called"]
    states = arms[arms["sample"] == "tumour"].set_index(["chromosome", "arm"])["state"].fillna("")
    assert {state for (c, _), state in states.items() if str(c) in ("1", "7", "8")} <= {"gain", ""}
    assert (states == "gain").any()
    assert (states == "loss").any()
    assert (arms.loc[arms["sample"] == "normal", "state"].fillna("") == "").all()
    assert set(profile["sample"]) == {"tumour", "normal", "sorted"}
    of_tumour = profile[profile["sample"] == "tumour"].groupby("chromosome")["log_ratio"].mean()
    assert of_tumour[1] > 0.05
    assert of_tumour[3] < -0.05
    assert len(profile[profile["sample"] == "tumour"]) == samples.loc["tumour", "n_windows"]


def test_what_cannot_be_told_is_not_testable_with_its_reason(found):
    samples = found[1].set_index("sample")
    assert samples.loc["blood", "note"] == "not testable: 0 epithelial cells"
    assert samples.loc["few", "note"].startswith("not testable: 8 epithelial cells")
    assert samples.loc["panel", "note"].startswith("not testable: ")
    assert "genes with a known position" in samples.loc["panel", "note"]
    untested = samples.loc[["blood", "few", "panel"]]
    assert untested[["n_called", "share_called", "p_order"]].isna().all().all()


def test_a_sample_without_reference_is_compared_with_the_cohort(folder, found):
    samples = found[1].set_index("sample")
    assert samples.loc["sorted", "reference"].startswith("cohort")
    assert "other samples" in samples.loc["sorted", "note"]
    assert samples.loc["sorted", "share_called"] > 0.5
    types = storage.read_table(folder / "types.parquet")
    own = types[types["cell"].str.startswith("sorted:")]
    storage.write_table(own, folder / "own.parquet")
    _, alone, arms, profile = infer(folder, ["sorted"], "alone", types="own.parquet")
    assert alone["note"].tolist() == ["not testable: fewer than 100 immune and stromal cells to compare with"]
    assert arms.empty
    assert profile.empty


def test_blocks_and_other_samples_change_nothing(folder, found):
    again = infer(folder, ["normal", "tumour"], "again", block_gib=0.001)[0]
    rows = again.index[again.index.str.startswith("tumour:")]
    pd.testing.assert_frame_equal(again.loc[rows], found[0].loc[rows])


def test_cells_without_a_type_are_an_error(folder, capsys):
    types = storage.read_table(folder / "types.parquet")
    storage.write_table(types.iloc[1:], folder / "short.parquet")
    assert infer(folder, SAMPLES, "short", types="short.parquet") == 2
    assert "1 kept cells have no cell type" in capsys.readouterr().err
