"""What a report says of pairs, batches and lost samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.report import design
from stietime.report.pages import cohort_page
from stietime.report.results import samples_found
from stietime.storage import write_table


def _warnings(whole, sheet=None):
    results = whole.open() if sheet is None else type(whole)(whole.folder, sheet).open()
    return design.warnings(results, design.count_cells(results))


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        (lambda sheet: sheet["environment"], "Batch and environment cannot be told apart: every batch holds"),
        (
            lambda sheet: sheet["batch"].mask(sheet["sample"] == "p1_tumour_after", "b3"),
            "Batch and environment cannot be told apart in part: 1 of 3 values of batch hold one environment",
        ),
    ],
)
def test_without_the_word_of_the_integration_the_sheet_is_judged(whole, batch, told):
    sheet = whole.sheet.assign(batch=batch(whole.sheet))
    assert any(line.startswith(told) for line in _warnings(whole, sheet))
    assert not any("told apart" in line for line in _warnings(whole))


def test_the_words_of_the_integration_are_shown_and_the_sheet_is_not_judged_again(fabricated):
    path = fabricated.path("integration_metrics")
    metrics = pd.read_csv(path, sep="\t")
    found = {"embedding": "design", "metric": "batch_tells_environment", "value": 1.0, "note": "every batch"}
    write_table(pd.concat([metrics, pd.DataFrame([found])]), path)
    sheet = fabricated.sheet.assign(batch=fabricated.sheet["environment"])
    assert not any("told apart" in line for line in _warnings(fabricated, sheet))
    warning = found | {"metric": "warning", "note": "batch and environment go together."}
    write_table(pd.concat([metrics, pd.DataFrame([found, warning])]), path)
    assert _warnings(fabricated, sheet)[0] == "Batch and environment go together."


def test_without_a_confounded_contrast_nothing_is_said(fabricated):
    path = fabricated.path("contrasts")
    write_table(pd.read_csv(path, sep="\t").assign(confounded=""), path)
    assert not any(line.startswith("Nothing can be concluded") for line in _warnings(fabricated))


def test_confounded_contrasts_are_named_with_those_that_are_not(fabricated):
    path = fabricated.path("contrasts")
    contrasts = pd.read_csv(path, sep="\t")
    strata = contrasts[contrasts["contrast"] == "stie_vs_time"].assign(contrast="stie_vs_time;cancer=NSCLC")
    contrasts = pd.concat([contrasts, strata])
    bad = contrasts["contrast"].str.startswith("stie_vs_time")
    write_table(contrasts.assign(confounded=np.where(bad, "confounded with batch: a, b", "")), path)
    told = [line for line in _warnings(fabricated) if line.startswith("Nothing can be concluded")]
    assert len(told) == 1
    name = "Blood (STIE) against tumour (TIME), before treatment"
    assert told[0].startswith(f"Nothing can be concluded from “{name}” (confounded with batch: a, b). ")
    assert "Not affected: “After against before treatment, in blood (STIE)”, “After against" in told[0]
    assert "NSCLC" not in told[0]
    html, _ = cohort_page(fabricated.open())
    assert html.count("Nothing can be concluded from this contrast") == 1


def test_a_cohort_without_a_pair_says_what_cannot_be_tested(whole):
    tumours = whole.sheet["environment"] == "TIME"
    patients = whole.sheet["patient"].where(~tumours, whole.sheet["patient"] + " of another study")
    told = _warnings(whole, whole.sheet.assign(patient=patients))
    assert any(line.startswith("No patient has both blood and tumour.") for line in told)
    assert not any("Few patients" in line for line in told)


def test_pairs_are_counted_at_each_time_point(whole):
    sheet = whole.sheet[~whole.sheet["sample"].isin(["p1_blood_after", "p2_tumour_before"])]
    assert design.count_pairs(type(whole)(whole.folder, sheet).open()) == {"before": 2, "after": 2}
    assert design.count_pairs(whole.open()) == {"before": 3, "after": 3}


def test_a_sample_without_quality_is_a_lost_one(whole):
    extra = whole.sheet.iloc[[0]].assign(sample="p9_blood")
    results = type(whole)(whole.folder, pd.concat([whole.sheet, extra])).open()
    told = design.warnings(results, design.count_cells(results))
    assert any("failed or were not run: p9_blood" in line for line in told)


def test_cells_are_counted_by_reason(whole):
    counts = design.count_cells(whole.open())
    assert list(counts.columns) == ["kept", "empty", "low_genes", "high_mito", "doublet"]
    assert counts.loc["p1_blood_before"].to_list() == [54, 1, 1, 2, 2]


def test_samples_are_found_without_a_sheet(whole):
    found = samples_found(whole.folder).set_index("sample")
    assert set(found.index) == set(whole.sheet["sample"])
    assert found.loc["p1_tumour_after", ["patient", "environment", "timepoint"]].to_list() == [
        "p1",
        "TIME",
        "after",
    ]
    assert found.loc["s1", "modality"] == "section"


def test_an_excluded_sample_is_found_with_its_patient_without_a_sheet(fabricated):
    path = fabricated.path("cells")
    cells = pd.read_parquet(path)
    cells[cells["sample"] != "p1_tumour_after"].to_parquet(path)
    found = samples_found(fabricated.folder).set_index("sample").loc["p1_tumour_after"]
    assert found[["patient", "environment", "timepoint"]].to_list() == ["p1", "TIME", "after"]
