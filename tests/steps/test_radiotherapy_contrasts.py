"""The abscopal question from the sheet to the tables: unirradiated lesion and blood, after and before."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import cli, storage
from stietime.sample_sheet import read_sample_sheet
from stietime.settings import Comparison, Inputs

KINDS = {"cd8_t": "t_cell", "cd4_t": "t_cell", "nk": "nk", "b_cell": "b_cell", "mono_cd14": "monocyte"}
SHARES = np.array([0.2, 0.3, 0.15, 0.2, 0.15])
# log-odds by which CD8 T cells rise after radiotherapy
RISE = {"out": 1.0, "in": 2.0, "": 0.0}
COLUMNS = (
    *("sample", "patient", "environment", "modality", "format", "path", "timepoint", "treatment", "cancer"),
    *("tissue", "batch", "lesion", "rt_field", "rt_modality", "dose_gy_per_fraction", "days_from_rt"),
)


def write_sheet(folder, n_patients):
    rows = []
    for n in range(n_patients):
        for place, environment, field in (
            ("blood", "STIE", ""),
            ("lung", "TIME", "in"),
            ("liver", "TIME", "out"),
        ):
            for moment, days in (("before", "-3"), ("after", "21")):
                name = f"p{n}_{place}_{moment}"
                lesion = place if field else ""
                path = str(folder / f"{name}.h5ad")
                told = field if moment == "before" else ""  # one row of the lesion is enough
                row = (name, f"p{n}", environment, "cells", "h5ad", path, moment, "radiotherapy", "NSCLC")
                rows.append((*row, place, f"b{n}", lesion, told, "sbrt", "8", days))
    sheet = pd.DataFrame(rows, columns=list(COLUMNS))
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    return sheet


def write_cells(folder, sheet, n_cells=500):
    rng = np.random.default_rng(3)
    tables = []
    field = {"lung": "in", "liver": "out", "blood": ""}
    for row in sheet.to_dict("records"):
        rise = RISE[field[row["tissue"]]] * (row["timepoint"] == "after")
        odds = np.exp(rise + rng.normal(0, 0.05)) * SHARES[0] / (1 - SHARES[0])
        chances = np.concatenate([[odds], SHARES[1:] / SHARES[1:].sum()])
        kinds = rng.choice(list(KINDS), n_cells, p=chances / chances.sum())
        counts = sparse.csr_matrix(rng.poisson(3, (n_cells, 3)).astype(np.int32))
        cells = ad.AnnData(counts, var=pd.DataFrame(index=["GZMB", "CXCL8", "ACTB"]))
        cells.obs_names = [f"c{i}" for i in range(n_cells)]
        cells.write_h5ad(row["path"])
        table = pd.DataFrame({"cell": [f"{row['sample']}:c{i}" for i in range(n_cells)]})
        table = table.assign(sample=row["sample"], patient=row["patient"], environment=row["environment"])
        tables.append(table.assign(cell_type=kinds, lineage=[KINDS[kind] for kind in kinds]))
    storage.write_table(pd.concat(tables, ignore_index=True), folder / "cells.parquet")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Read the sheet in, and write the tables of composition, contrasts and preference."""
    folder = tmp_path_factory.mktemp("radiotherapy")
    sheet = write_sheet(folder, 4)
    write_cells(folder, sheet)
    counts = []
    for sample in read_sample_sheet(folder / "samples.tsv"):
        counts.append(str(folder / "cells" / f"{sample.sample}.h5ad"))
        words = ("--sample", sample.as_json(), "--settings", Inputs().as_json(), "--output", counts[-1])
        assert cli.main(["step", "ingest", *words]) == 0
    verdicts = sheet[["sample"]].assign(verdict="usable", reason="")
    storage.write_table(verdicts, folder / "verdicts.tsv")
    settings = ("--settings", Comparison().as_json())
    words = ("--cells", str(folder / "cells.parquet"), "--counts", *counts)
    words += ("--samples", str(folder / "verdicts.tsv"), *settings)
    words += ("--composition", str(folder / "composition.tsv"), "--contrasts", str(folder / "contrasts.tsv"))
    words += ("--patient-values", str(folder / "patient_values.tsv"))
    assert cli.main(["step", "compare", *words]) == 0
    words = ("--composition", str(folder / "composition.tsv"), *settings, "--output", str(folder / "roe.tsv"))
    assert cli.main(["step", "measure-preference", *words]) == 0
    return {name: storage.read_table(folder / f"{name}.tsv") for name in ("contrasts", "roe")}


@pytest.mark.parametrize(
    ("contrast", "planted"),
    [
        ("after_vs_before:TIME;rt_field=out", 1.0),
        ("after_vs_before:TIME;rt_field=in", 2.0),
        ("after_vs_before:TIME;rt_field=out-in", -1.0),
        ("after_vs_before:STIE", 0.0),
        ("after_vs_before:TIME-STIE;rt_field=out", 1.0),
    ],
)
def test_the_planted_change_of_each_lesion_comes_back_beside_blood(tables, contrast, planted):
    rows = tables["contrasts"].query("contrast == @contrast and kind == 'cell_fraction'").set_index("entity")
    row = rows.loc["cd8_t_of_immune"]
    assert row["estimate"] == pytest.approx(planted, abs=0.3)
    assert (row["n_pairs"], row["n_patients"], row["status"]) == (4, 4, "tested")
    assert (row["treatment"], row["cancer"]) == ("radiotherapy", "NSCLC")
    if planted:
        assert row["q"] <= 0.05
        assert np.sign(row["ci_low"]) == np.sign(row["ci_high"]) == np.sign(planted)


def test_one_modality_and_one_dose_make_no_strata(tables):
    assert not tables["contrasts"]["contrast"].str.contains("rt_modality|dose").any()


def test_preference_is_even_before_treatment_and_for_the_tumour_after(tables):
    means = tables["roe"].query("patient == 'mean of patients' and entity == 'cd8_t_of_immune'")
    means = means.set_index(["moment", "environment"])
    assert abs(means.loc[("baseline", "TIME"), "log2_roe"]) < 0.15
    assert means.loc[("after", "TIME"), "ci_low"] > 0
    assert means.loc[("after", "STIE"), "ci_high"] < 0
