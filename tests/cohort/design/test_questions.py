"""What a sheet could answer and what it lacks; and whether two changes go the same way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nct, t
from tests.cohort.design.test_treatment_designs import MOMENTS, WORDS, contrasts_of, effects_of, sheet_of

from stietime.cohort.design.questions import PRIOR_SPREAD, list_questions
from stietime.cohort.design.treatment import name_treatment
from stietime.cohort.testing.directions import read_directions

NAMES = {
    "first": "after_vs_before:TIME",
    "second": "after_vs_before:STIE",
    "difference": "after_vs_before:TIME-STIE",
}


def asked(sheet, min_pairs=3):
    found = list_questions(name_treatment(sheet, **WORDS), **MOMENTS, min_pairs=min_pairs)
    return found.set_index("contrast")


def test_every_built_in_contrast_is_asked_for_and_has_the_patients_of_the_contrast():
    sheet = sheet_of().drop(index=["p0_STIE_after", "p1_TIMEout_before", "p2_TIMEin_after"])
    questions, contrasts = asked(sheet), contrasts_of(sheet)
    of_strata = [name for name in contrasts if "modality" in name or "dose" in name]
    assert set(contrasts) - set(of_strata) <= set(questions.index)
    for name in set(contrasts) & set(questions.index):
        contrast = contrasts[name]
        assert questions.loc[name, "n_patients"] == len(contrast.patients), name
        assert questions.loc[name, "n_pairs"] == (len(contrast.patients) if contrast.paired else 0), name
        assert questions.loc[name, "missing"] == "", name
    assert questions.loc["time_vs_normal", "missing"] == "no sample of normal tissue"
    assert questions.loc["patient_vs_donor_blood", "missing"] == "no sample of blood of donors"


def test_patients_that_lack_a_sample_are_named():
    sheet = sheet_of(4).drop(index=["p1_TIMEin_after", "p1_TIMEout_after", "p3_TIMEout_after"])
    questions = asked(sheet)
    found = questions.loc["after_vs_before:TIME;rt_field=out", "missing"]
    assert found == "3 pairs needed, 2 there: p1, p3 without unirradiated lesion after"
    assert questions.loc["after_vs_before:TIME", "missing"] == ""
    four = questions.loc["after_vs_before:TIME-STIE;rt_field=out", "missing"]
    assert four.startswith("3 patients with all four samples needed, 2 there: p1, p3 without")
    groups = asked(sheet_of(4)).loc["responder_vs_non:TIME", "missing"]
    assert groups == (
        "3 patients of each needed, there are 2 of tumour of responders before and "
        "2 of tumour of non-responders before"
    )


def test_a_sheet_without_the_columns_says_which_to_fill():
    bare = asked(sheet_of().drop(columns=["rt_field", "response"]))
    assert (
        bare.loc["responder_vs_non:STIE", "missing"] == "the sample sheet does not fill the column response"
    )
    out = bare.loc["after_vs_before:TIME;rt_field=out", "missing"]
    assert out == "the sample sheet does not fill the column rt_field"
    odd = asked(sheet_of(response="NE"))
    assert odd.loc["responder_vs_non:STIE", "missing"].startswith("no sample of blood of responders before")


def test_the_effect_that_could_be_seen_is_planned_from_the_prior_spread():
    row = asked(sheet_of(6)).loc["after_vs_before:TIME"]
    noncentrality = row["planned_effect"] / (PRIOR_SPREAD / np.sqrt(6))
    assert nct.sf(t.isf(0.025, 5), 5, noncentrality) == pytest.approx(0.8, abs=1e-3)
    none = asked(sheet_of(1)).loc["after_vs_before:TIME", "planned_effect"]
    assert none == asked(sheet_of(3)).loc["after_vs_before:TIME", "planned_effect"]  # as many as needed
    groups = asked(sheet_of(12)).loc["responder_vs_non:TIME", "planned_effect"]
    noncentrality = groups / (PRIOR_SPREAD * np.sqrt(2 / 6))
    assert nct.sf(t.isf(0.025, 10), 10, noncentrality) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(
    ("tumour", "blood", "reading"),
    [
        (1.5, 1.5, "same direction"),
        (1.5, -1.5, "opposite directions"),
        (1.5, 0.0, "first only"),
        (0.0, -1.5, "second only"),
        (0.0, 0.0, "neither shown to change"),
    ],
)
def test_planted_changes_of_tumour_and_blood_are_read_as_they_are(tumour, blood, reading):
    def rise(row):
        return {"TIME": tumour, "STIE": blood}[row["environment"]] * (row["timepoint"] == "after")

    table = effects_of(sheet_of(), rise).reset_index()
    [row] = read_directions(table, **NAMES, alpha=0.05).to_dict("records")
    assert row["reading"] == reading
    assert row["estimate_difference"] == pytest.approx(tumour - blood, abs=0.3)
    assert (row["n_patients_first"], row["n_patients_difference"]) == (8, 8)


def test_what_is_not_tested_or_confounded_on_one_side_is_not_testable():
    table = effects_of(sheet_of(), lambda row: 1.5 * (row["timepoint"] == "after")).reset_index()
    blood = table["contrast"] == NAMES["second"]
    for broken in (
        table.assign(p=table["p"].mask(blood)),
        table.assign(status=table["status"].mask(blood, "confounded")),
    ):
        [row] = read_directions(broken, **NAMES, alpha=0.05).to_dict("records")
        assert row["reading"] == "not testable"
    assert read_directions(table[~blood], **NAMES, alpha=0.05).empty
    without = table[table["contrast"] != NAMES["difference"]]
    [row] = read_directions(without, **NAMES, alpha=0.05).to_dict("records")
    assert row["reading"] == "same direction"
    assert np.isnan(row["estimate_difference"])
    assert isinstance(read_directions(pd.DataFrame(columns=table.columns), **NAMES, alpha=0.05), pd.DataFrame)
