"""The steps compare and weigh-claims, as typed on the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import cli, names, storage
from stietime.cohort.testing.contrasts import COLUMNS
from stietime.settings import Comparison

GENES = ["GZMB", "CXCL8", "ACTB"]


def write_sample(folder, row, kinds, rng, *, gzmb, dropped=2):
    """Write one sample's counts and give its kept cells; `dropped` further cells failed quality control."""
    kept = [kind for kind, n in kinds.items() for _ in range(n)]
    n = len(kept) + dropped
    cells = [f"{row['sample']}:{i}" for i in range(n)]
    # a dropped cell would ruin every sum that took it in
    means = np.vstack([np.tile([gzmb, 2, 20], (len(kept), 1)), np.full((dropped, 3), 1e5)])
    counts = sparse.csr_matrix(rng.poisson(means).astype(np.int32))
    obs = pd.DataFrame({**row}, index=cells)
    path = folder / row["sample"] / "counts.h5ad"
    storage.write_cells(ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES)), path)
    table = pd.DataFrame({"cell": cells[: len(kept)], **row, "cluster": "0"})
    table["cell_type"] = kept
    table["lineage"] = table["cell_type"].map({"cd8_t": "t_cell", "nk": "nk", "neutrophil": "neutrophil"})
    for state in names.STATES:
        table[f"is_{state}"] = False
    half = table["cell_type"] == "cd8_t"
    share = 0.2 if row["environment"] == "STIE" else 0.7
    table.loc[half, "is_texp"] = rng.random(half.sum()) < share
    table["score_cd8_gzmb"] = rng.random(len(table)).astype(np.float32)
    return path, table


@pytest.fixture
def cohort(tmp_path):
    """Four patients with blood and tumour; GZMB four times higher in the tumour."""
    rng = np.random.default_rng(1)
    paths, tables = [], []
    for patient in ("p1", "p2", "p3", "p4"):
        for environment, gzmb in (("STIE", 2), ("TIME", 8)):
            row = {"sample": f"{patient}_{environment}", "patient": patient, "environment": environment}
            row |= {"timepoint": "", "treatment": "", "cancer": "NSCLC", "species": "human", "tissue": "x"}
            path, table = write_sample(
                tmp_path / "cells", row, {"cd8_t": 60, "nk": 30, "neutrophil": 30}, rng, gzmb=gzmb
            )
            paths.append(path)
            tables.append(table)
    storage.write_table(pd.concat(tables, ignore_index=True), tmp_path / "cells.parquet")
    return tmp_path, paths


def run_compare(folder, paths, *, excluded=(), **settings):
    """Type the step; of the samples, those in `excluded` have that verdict."""
    samples = pd.DataFrame({"sample": [ad.read_h5ad(path).obs["sample"].iloc[0] for path in paths]})
    samples["verdict"] = np.where(samples["sample"].isin(excluded), names.EXCLUDED, names.USABLE)
    samples["reason"] = np.where(samples["sample"].isin(excluded), "too bad", "")
    storage.write_table(samples, folder / "samples.tsv")
    return cli.main(
        [
            *("step", "compare", "--cells", str(folder / "cells.parquet")),
            *("--counts", *map(str, paths), "--samples", str(folder / "samples.tsv")),
            *("--settings", Comparison(**settings).as_json()),
            *("--composition", str(folder / "composition.tsv"), "--contrasts", str(folder / "contrasts.tsv")),
            *("--patient-values", str(folder / "patient_values.tsv")),
        ]
    )


def run_weigh(folder, **settings):
    return cli.main(
        [
            *("step", "weigh-claims", "--contrasts", str(folder / "contrasts.tsv")),
            *("--composition", str(folder / "composition.tsv"), "--cells", str(folder / "cells.parquet")),
            *("--settings", json.dumps(settings), "--output", str(folder / "claims.tsv")),
        ]
    )


def test_from_files_to_claims(cohort):
    folder, paths = cohort
    assert run_compare(folder, paths) == 0
    composition = storage.read_table(folder / "composition.tsv")
    row = composition.query("sample == 'p1_TIME' and entity == 'texp'").iloc[0]
    assert (row["level"], row["parent"], row["n_parent"], row["environment"]) == (
        "state",
        "cd8_t",
        60,
        "TIME",
    )
    contrasts = storage.read_table(folder / "contrasts.tsv", COLUMNS)
    assert set(contrasts["contrast"]) == {"stie_vs_time"}
    table = contrasts.set_index(["kind", "entity"])
    gene = table.loc[("gene_expression", "GZMB")]
    # 8 of 30 counts against 2 of 24: the dropped cells are in neither
    assert gene["estimate"] == pytest.approx(np.log2((2 / 24) / (8 / 30)), abs=0.1)
    assert gene["ci_high"] < 0
    assert table.loc[("gene_expression", "IL10"), "note"] == "not measured: the gene is in no sample"
    assert table.loc[("cell_fraction", "texp"), "q"] <= 0.05
    assert table.loc[("cell_fraction", "treg"), "status"] == "not measured"
    assert run_weigh(folder) == 0
    claims = storage.read_table(folder / "claims.tsv")
    assert len(claims) == 516
    assert list(claims.columns[:9]) == [
        *("claim_id", "verdict", "estimate", "ci_low", "ci_high", "p", "q", "n_patients", "reason")
    ]
    tested = claims[claims["verdict"] != names.NOT_TESTABLE]
    assert set(tested["design"]) == {"stie_vs_time"}
    assert (tested["n_patients"] == 4).all()


def set_columns(paths, folder, columns):
    """Give every sample further columns of the sheet."""
    for path in paths:
        cells = ad.read_h5ad(path)
        for name, of_row in columns.items():
            cells.obs[name] = of_row(cells.obs.iloc[0])
        storage.write_cells(cells, path)


@pytest.mark.parametrize("column", ["batch", "chemistry", "study"])
def test_a_confounded_cohort_gives_no_verdict(cohort, column):
    """Blood of one study against tumour of another: numbers stand, nothing is concluded."""
    folder, paths = cohort
    set_columns(paths, folder, {column: lambda row: f"of {row['environment']}"})
    assert run_compare(folder, paths) == 0
    contrasts = storage.read_table(folder / "contrasts.tsv", COLUMNS)
    measured = contrasts[contrasts["p"].notna()]
    assert len(measured) > 0
    assert set(measured["status"]) == {"confounded"}
    assert measured["note"].str.startswith(f"confounded with {column}: of STIE in the first arm").all()
    assert run_weigh(folder) == 0
    claims = storage.read_table(folder / "claims.tsv")
    assert set(claims["verdict"]) == {names.INCONCLUSIVE, names.NOT_TESTABLE}
    inconclusive = claims[claims["verdict"] == names.INCONCLUSIVE]
    assert set(inconclusive["reason"]) == {"confounded"}
    assert inconclusive["detail"].str.contains(f"confounded with {column}").all()
    assert inconclusive["estimate"].notna().all()


def test_a_batch_of_whole_patients_changes_nothing(cohort):
    folder, paths = cohort
    assert run_compare(folder, paths) == 0
    plain = storage.read_table(folder / "contrasts.tsv", COLUMNS)
    set_columns(paths, folder, {"batch": lambda row: "b1" if row["patient"] in ("p1", "p2") else "b2"})
    assert run_compare(folder, paths) == 0
    pd.testing.assert_frame_equal(storage.read_table(folder / "contrasts.tsv", COLUMNS), plain)


def test_one_patient_tests_nothing(cohort):
    folder, paths = cohort
    cells = storage.read_table(folder / "cells.parquet")
    storage.write_table(cells[cells["patient"] == "p1"], folder / "cells.parquet")
    assert run_compare(folder, paths[:2]) == 0
    contrasts = storage.read_table(folder / "contrasts.tsv")
    assert contrasts["p"].isna().all()
    texp = contrasts.query("entity == 'texp' and kind == 'cell_fraction'").iloc[0]
    assert texp["note"] == "not testable: 1 pair, 3 needed"
    assert texp["estimate"] < 0
    assert run_weigh(folder) == 0
    assert set(storage.read_table(folder / "claims.tsv")["verdict"]) == {names.NOT_TESTABLE}


def test_a_sample_that_kept_no_cell_is_in_the_composition(cohort):
    folder, paths = cohort
    cells = storage.read_table(folder / "cells.parquet")
    storage.write_table(cells[cells["sample"] != "p4_STIE"], folder / "cells.parquet")
    assert run_compare(folder, paths) == 0
    composition = storage.read_table(folder / "composition.tsv")
    rows = composition[composition["sample"] == "p4_STIE"]
    assert len(rows)
    assert rows["fraction"].isna().all()
    contrasts = storage.read_table(folder / "contrasts.tsv").set_index(["kind", "entity"])
    for key in (("cell_fraction", "texp"), ("gene_expression", "GZMB")):
        assert contrasts.loc[key, "n_pairs"] == 3


def test_an_excluded_sample_is_named_and_takes_no_part(cohort, caplog):
    folder, paths = cohort
    cells = storage.read_table(folder / "cells.parquet")
    storage.write_table(cells[cells["sample"] != "p4_STIE"], folder / "cells.parquet")
    assert run_compare(folder, paths) == 0
    missing = storage.read_table(folder / "contrasts.tsv")
    assert run_weigh(folder) == 0
    expected = storage.read_table(folder / "claims.tsv")
    with caplog.at_level("WARNING"):
        assert run_compare(folder, paths, excluded=["p4_STIE"]) == 0
    assert "p4_STIE is excluded (too bad)" in caplog.text
    composition = storage.read_table(folder / "composition.tsv")
    rows = composition[composition["sample"] == "p4_STIE"]
    assert len(rows) == len(composition[composition["sample"] == "p3_STIE"]) > 0
    assert rows[["n", "n_parent", "fraction"]].isna().all(axis=None)
    assert set(rows["note"]) == {"sample excluded: too bad"}
    assert set(rows["patient"]) == {"p4"}
    text = (folder / "composition.tsv").read_text()
    assert "p1_STIE\tcd8_t\tcell_type\t60\tt_cell\t60\t1.0\t" in text  # counts stay whole numbers
    # the numbers are those of a cohort in which the sample has no cells; the notes say more
    contrasts = storage.read_table(folder / "contrasts.tsv")
    pd.testing.assert_frame_equal(contrasts.drop(columns="note"), missing.drop(columns="note"))
    assert contrasts["note"].str.startswith("1 sample excluded (p4_STIE)").all()
    texp = contrasts.query("entity == 'texp' and kind == 'cell_fraction'").iloc[0]
    assert texp["note"] == "1 sample excluded (p4_STIE); smallest exact p with 3 pairs is 0.25"
    assert run_weigh(folder) == 0
    claims = storage.read_table(folder / "claims.tsv")
    pd.testing.assert_frame_equal(claims.drop(columns="detail"), expected.drop(columns="detail"))
    tested = claims[claims["p"].notna()]
    assert len(tested)
    assert (tested["n_patients"] == 3).all()
    assert tested["detail"].str.contains("1 sample excluded").all()


def test_a_contrast_whose_samples_are_all_excluded_is_not_measured(cohort):
    folder, paths = cohort
    cells = storage.read_table(folder / "cells.parquet")
    storage.write_table(cells[cells["environment"] == "STIE"], folder / "cells.parquet")
    tumours = [f"p{number}_TIME" for number in range(1, 5)]
    assert run_compare(folder, paths, excluded=tumours) == 0
    contrasts = storage.read_table(folder / "contrasts.tsv")
    assert set(contrasts["contrast"]) == {"stie_vs_time"}
    assert set(contrasts["status"]) == {"not measured"}
    assert contrasts[["estimate", "p", "q"]].isna().all(axis=None)
    assert contrasts["note"].str.startswith("4 samples excluded (p1_TIME, p2_TIME, p3_TIME, p4_TIME)").all()
    assert run_weigh(folder) == 0
    claims = storage.read_table(folder / "claims.tsv")
    assert set(claims["verdict"]) == {names.NOT_TESTABLE}
    assert "not measured" in set(claims["reason"])


def test_verdicts_that_do_not_fit_the_cells_are_an_input_error(cohort, capsys):
    folder, paths = cohort
    assert run_compare(folder, paths, excluded=["p1_STIE"]) == 2
    assert "the sample p1_STIE is excluded, but 120 of its cells are kept" in capsys.readouterr().err
    words = ["step", "compare", "--cells", folder / "cells.parquet", "--counts", *paths]
    words += ["--samples", folder / "samples.tsv"]
    words += ["--composition", folder / "composition.tsv", "--contrasts", folder / "contrasts.tsv"]
    words += ["--patient-values", folder / "patient_values.tsv"]
    verdicts = {"sample": ["p1_STIE"], "verdict": ["usable"], "reason": [""]}
    storage.write_table(pd.DataFrame(verdicts), folder / "samples.tsv")
    assert cli.main([*map(str, words)]) == 2
    assert "the sample p4_TIME has no verdict" in capsys.readouterr().err
    storage.write_table(pd.DataFrame({**verdicts, "verdict": ["good"]}), folder / "samples.tsv")
    assert cli.main([*map(str, words)]) == 2
    assert "has the verdict 'good'" in capsys.readouterr().err


def test_a_cohort_without_a_contrast_still_weighs_every_claim(cohort):
    folder, paths = cohort
    cells = storage.read_table(folder / "cells.parquet")
    storage.write_table(cells[cells["environment"] == "STIE"], folder / "cells.parquet")
    assert run_compare(folder, paths[::2]) == 0
    assert run_weigh(folder) == 0
    claims = storage.read_table(folder / "claims.tsv")
    assert len(claims) == 516
    assert set(claims["verdict"]) == {names.NOT_TESTABLE}
    assert "design not in cohort" in set(claims["reason"])


def test_kept_cells_without_counts_are_an_input_error(cohort, capsys):
    folder, paths = cohort
    assert run_compare(folder, paths[1:]) == 2
    assert "120 of the 960 kept cells are in no counts file" in capsys.readouterr().err


def test_an_unknown_option_is_an_input_error(cohort, capsys):
    folder, _ = cohort
    assert run_weigh(folder, alfa=0.1) == 2
    assert "alfa" in capsys.readouterr().err


def test_the_step_starts_without_scanpy(cohort):
    folder, paths = cohort
    assert run_compare(folder, paths) == 0
    words = ["step", "compare", "--cells", folder / "cells.parquet", "--counts", *paths]
    words += ["--samples", folder / "samples.tsv"]
    words += ["--composition", folder / "composition.tsv", "--contrasts", folder / "contrasts.tsv"]
    words += ["--patient-values", folder / "patient_values.tsv"]
    code = f"import sys; from stietime.cli import main; main({[*map(str, words)]}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "stietime.cohort.testing.contrasts" in loaded
    assert not {"scanpy", "sklearn", "matplotlib"} & set(loaded)


@pytest.mark.data
def test_real_lung_cancer_patients_are_weighed_with_their_number(data_dir, tmp_path):
    source = ad.read_h5ad(data_dir / "zilionis_nsclc_blood_tumor_300" / "zilionis300_counts_recovered.h5ad")
    obs = source.obs.reset_index(drop=True)
    major = obs["Major.cell.type"].astype(str)
    tissue = obs["Tissue"].astype(str).map({"blood": "STIE", "tumor": "TIME"})
    sheet = pd.DataFrame({"patient": obs["Patient"].astype(str), "environment": tissue})
    sheet["sample"] = sheet["patient"] + "_" + tissue
    sheet["cancer"], sheet["treatment"], sheet["timepoint"], sheet["species"] = "LUAD", "", "", "human"
    sheet["cell"] = [f"{sample}:{i}" for i, sample in enumerate(sheet["sample"])]
    types = {"T cells": "t_cell", "B cells": "b_cell", "NK cells": "nk", "Neutrophils": "neutrophil"}
    types |= {"MoMacDC": "macrophage", "Monocytes": "monocyte", "Plasma cells": "plasma", "pDC": "pdc"}
    lineage = major.str.removeprefix("b").str.removeprefix("t").map(types).fillna("unknown")
    assert lineage.nunique() == 9
    paths = []
    for sample, rows in sheet.groupby("sample"):
        x = sparse.csr_matrix(source.X[rows.index.to_numpy()]).astype(np.int32)
        var = pd.DataFrame(index=source.var_names.astype(str))
        paths.append(tmp_path / f"{sample}.h5ad")
        storage.write_cells(ad.AnnData(x, obs=rows.set_index("cell"), var=var), paths[-1])
    cells = sheet.assign(lineage=lineage, cell_type=lineage)
    storage.write_table(cells, tmp_path / "cells.parquet")
    assert run_compare(tmp_path, paths, min_parent_cells=3) == 0
    contrasts = storage.read_table(tmp_path / "contrasts.tsv")
    row = contrasts.query("entity == 't_cell' and kind == 'cell_fraction'").iloc[0]
    sizes = pd.crosstab(sheet["patient"], sheet["environment"])
    both = sizes[(sizes >= 3).all(axis=1)].index
    assert row["n_pairs"] == len(both)
    share = pd.crosstab(sheet["patient"], sheet["environment"], lineage == "t_cell", aggfunc="mean")
    assert row["mean_first"] == pytest.approx(share.loc[both, "STIE"].mean())
    assert run_weigh(tmp_path, min_parent_cells=3) == 0
    claims = storage.read_table(tmp_path / "claims.tsv")
    neutrophils = claims.query("entity_id == 'neutrophil' and design == 'stie_vs_time'").iloc[0]
    assert neutrophils["verdict"] != names.NOT_TESTABLE
    assert 3 <= neutrophils["n_patients"] <= len(both)
    assert neutrophils["estimate"] > 0  # as Zilionis et al. found, blood has more of them
    assert (claims.loc[claims["cancer"].isin(["HCC", "NPC"]) & (claims["p"].notna())]).empty
