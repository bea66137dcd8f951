"""Contrasts of response and radiotherapy: which samples they hold, and that planted changes come back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.cohort.design.exclusions import contrasts_without
from stietime.cohort.design.treatment import DERIVED, dose_class, name_treatment
from stietime.cohort.design.treatment_designs import every_contrast
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import CELL_FRACTION, Measure
from stietime.settings import Comparison

MOMENTS = {"before": "before", "after": "after"}
WORDS = {
    "responders": Comparison().responder_names,
    "non_responders": Comparison().non_responder_names,
    "dose_limits": Comparison().dose_limits_gy,
}


def sheet_of(n_patients=8, **columns):
    """Patients with blood, an irradiated and an unirradiated lesion, each before and after."""
    rows = []
    for n in range(n_patients):
        for environment, field in (("STIE", ""), ("TIME", "in"), ("TIME", "out")):
            for point in ("before", "after"):
                row = {
                    "sample": f"p{n}_{environment}{field}_{point}",
                    "patient": f"p{n}",
                    "environment": environment,
                    "timepoint": point,
                    "treatment": "radiotherapy",
                    "cancer": "NSCLC",
                    "donor": False,
                    "rt_field": field,
                    "lesion": f"{field}_1" if field else "",
                    "rt_modality": "SBRT" if n % 2 else "conventional",
                    "dose_gy_per_fraction": "8" if n % 2 else "2",
                    "response": "PR" if n < n_patients // 2 else "SD",
                }
                rows.append(row)
    return pd.DataFrame(rows).set_index("sample").assign(**columns)


def contrasts_of(sheet):
    found = every_contrast(name_treatment(sheet, **WORDS), **MOMENTS, min_pairs=3)
    return {contrast.name: contrast for contrast in found}


def measured(sheet, rise, seed=1, depth=4000):
    """Count six types; the first rises by `rise(row)` log-odds."""
    rng = np.random.default_rng(seed)
    share = np.array([0.1, 0.2, 0.25, 0.2, 0.15, 0.1])
    rows = []
    for _, row in sheet.iterrows():
        chances = share * np.exp(rng.normal(0, 0.08, 6))
        odds = chances[0] / chances[1:].sum() * np.exp(rise(row))
        chances[1:] *= 1 / (1 + odds) / chances[1:].sum()
        chances[0] = odds / (1 + odds)
        rows.append(rng.multinomial(depth, chances / chances.sum()))
    counts = pd.DataFrame(rows, index=sheet.index, columns=list("abcdef"), dtype=float)
    return Measure(CELL_FRACTION, counts, counts * 0 + depth, 10)


def effects_of(sheet, rise):
    table = compare(list(contrasts_of(sheet).values()), [measured(sheet, rise)], min_pairs=3)
    return table[table["entity"] == "a"].set_index("contrast")


def test_a_full_sheet_of_radiotherapy_gives_these_contrasts_and_no_others():
    assert list(contrasts_of(sheet_of())) == [
        "stie_vs_time",
        "after_vs_before:STIE",
        "after_vs_before:TIME",
        "responder_vs_non:STIE",
        "responder_vs_non:TIME",
        "responder_vs_non_after:STIE",
        "responder_vs_non_after:TIME",
        "change_responder_vs_non:STIE",
        "change_responder_vs_non:TIME",
        "after_vs_before:TIME-STIE",
        "after_vs_before:TIME;rt_field=out",
        "after_vs_before:TIME;rt_field=in",
        "after_vs_before:TIME;rt_field=out-in",
        "after_vs_before:TIME-STIE;rt_field=out",
        "after_vs_before:TIME-STIE;rt_field=in",
        "after_vs_before:STIE;rt_modality=SBRT",
        "after_vs_before:STIE;rt_modality=conventional",
        "after_vs_before:TIME;rt_modality=SBRT",
        "after_vs_before:TIME;rt_modality=conventional",
        "after_vs_before:STIE;dose_gy_per_fraction=1.8_to_2.4",
        "after_vs_before:STIE;dose_gy_per_fraction=from_5",
        "after_vs_before:TIME;dose_gy_per_fraction=1.8_to_2.4",
        "after_vs_before:TIME;dose_gy_per_fraction=from_5",
    ]


def test_names_of_built_in_contrasts_cannot_be_given_away():
    arms = {"first": {"timepoint": "after"}, "second": {"timepoint": "before"}}
    for name in contrasts_of(sheet_of()):
        if ";" not in name:
            with pytest.raises(ValueError, match="built-in"):
                Comparison(contrasts=[{"name": name, **arms}])


def test_without_the_columns_only_the_contrasts_of_every_sheet_are_there():
    sheet = sheet_of().drop(columns=["rt_field", "lesion", "rt_modality", "dose_gy_per_fraction", "response"])
    assert list(contrasts_of(sheet)) == [
        *("stie_vs_time", "after_vs_before:STIE", "after_vs_before:TIME", "after_vs_before:TIME-STIE"),
    ]


def test_one_modality_or_class_of_dose_is_no_stratum():
    found = contrasts_of(sheet_of(rt_modality="FLASH", dose_gy_per_fraction="10"))
    assert not [name for name in found if "modality" in name or "dose" in name]


def test_the_abscopal_contrast_finds_what_changed_out_of_the_field_beside_blood():
    def rise(row):
        out = {"out": 1.5, "in": -1.0, "": 0.5}[row["rt_field"]]
        return out * (row["timepoint"] == "after")

    table = effects_of(sheet_of(), rise)
    truth = {
        "after_vs_before:TIME;rt_field=out": 1.5,
        "after_vs_before:TIME;rt_field=in": -1.0,
        "after_vs_before:TIME;rt_field=out-in": 2.5,
        "after_vs_before:STIE": 0.5,
        "after_vs_before:TIME-STIE;rt_field=out": 1.0,
        "after_vs_before:TIME-STIE;rt_field=in": -1.5,
    }
    for name, planted in truth.items():
        row = table.loc[name]
        assert row["ci_low"] < planted < row["ci_high"], name
        assert (row["n_pairs"], row["n_patients"], row["status"]) == (8, 8, "tested"), name
        assert row["q"] <= 0.05, name
    assert table.loc["after_vs_before:TIME;rt_field=out", "design"] != "after_vs_before"


def test_modalities_and_doses_are_told_apart_with_their_own_patients():
    table = effects_of(
        sheet_of(), lambda row: 2.0 * (row["rt_modality"] == "SBRT") * (row["timepoint"] == "after")
    )
    for name in ("rt_modality=SBRT", "dose_gy_per_fraction=from_5"):
        row = table.loc[f"after_vs_before:TIME;{name}"]
        assert row["n_pairs"] == 4
        assert row["ci_low"] < 2.0 < row["ci_high"]
        assert row["ci_low"] > 0
    for name in ("rt_modality=conventional", "dose_gy_per_fraction=1.8_to_2.4"):
        row = table.loc[f"after_vs_before:STIE;{name}"]
        assert row["n_pairs"] == 4
        assert row["ci_low"] < 0 < row["ci_high"]


def test_responders_are_compared_with_the_others_at_each_moment():
    def rise(row):
        return (row["response"] == "PR") * (0.8 if row["timepoint"] == "before" else -1.2)

    table = effects_of(sheet_of(12), rise)
    for environment in ("STIE", "TIME"):
        for name, planted in (("responder_vs_non", 0.8), ("responder_vs_non_after", -1.2)):
            row = table.loc[f"{name}:{environment}"]
            assert (row["n_first"], row["n_second"], row["n_pairs"], row["n_patients"]) == (6, 6, 0, 12)
            assert row["ci_low"] < planted < row["ci_high"]
            assert row["q"] <= 0.05


def test_blood_and_tumour_that_move_alike_differ_in_nothing():
    table = effects_of(sheet_of(), lambda row: 1.0 * (row["timepoint"] == "after"))
    row = table.loc["after_vs_before:TIME-STIE"]
    assert row["ci_low"] < 0 < row["ci_high"]
    opposite = effects_of(
        sheet_of(),
        lambda row: (1.0 if row["environment"] == "TIME" else -1.0) * (row["timepoint"] == "after"),
    )
    row = opposite.loc["after_vs_before:TIME-STIE"]
    assert row["estimate"] == pytest.approx(2.0, abs=0.2)
    assert row["q"] <= 0.05


def test_a_difference_needs_all_four_samples_of_a_patient():
    sheet = sheet_of(5)
    sheet = sheet.drop(index=["p0_STIE_after", "p1_TIMEin_before", "p1_TIMEout_before"])
    found = contrasts_of(sheet)
    assert set(found["after_vs_before:TIME-STIE"].patients) == {"p2", "p3", "p4"}
    assert set(found["after_vs_before:TIME;rt_field=out"].patients) == {"p0", "p2", "p3", "p4"}
    assert set(found["after_vs_before:TIME-STIE;rt_field=out"].patients) == {"p2", "p3", "p4"}
    only_before = sheet_of().query("environment == 'TIME' or timepoint == 'before'")
    assert "after_vs_before:TIME-STIE" not in contrasts_of(only_before)


def test_treatments_have_differences_of_their_own():
    sheet = sheet_of(6)
    sheet.loc[sheet["patient"].isin(["p0", "p1"]), "treatment"] = "immunotherapy"
    found = contrasts_of(sheet)
    part = found["after_vs_before:TIME-STIE;treatment=immunotherapy"]
    assert (set(part.patients), part.treatment) == ({"p0", "p1"}, "immunotherapy")
    assert found["after_vs_before:TIME-STIE"].treatment == ""


def test_a_lesion_is_compared_with_itself_where_it_was_sampled_on_both_sides():
    sheet = sheet_of(2)
    extra = sheet.loc[["p0_TIMEout_before"]].assign(lesion="out_2").rename(index=lambda name: f"{name}_2")
    moved = sheet.rename(index={}).copy()
    moved.loc["p1_TIMEout_after", "lesion"] = "out_3"  # another lesion than before
    contrast = contrasts_of(pd.concat([moved, extra]))["after_vs_before:TIME;rt_field=out"]
    assert list(contrast.second.index) == ["p0_TIMEout_before", "p1_TIMEout_before"]
    assert list(contrast.first.index) == ["p0_TIMEout_after", "p1_TIMEout_after"]


def test_one_row_of_a_lesion_tells_its_field_and_one_of_a_patient_the_rest():
    sheet = sheet_of(2)
    sheet.loc[sheet["timepoint"] == "before", "rt_field"] = ""
    sheet.loc[sheet["environment"] == "STIE", ["rt_modality", "dose_gy_per_fraction", "response"]] = ""
    named = name_treatment(sheet, **WORDS)
    assert named.loc["p0_TIMEout_before", "lesion_field"] == "out"
    assert named.loc["p0_STIE_after", "lesion_field"] == ""
    assert named.loc["p1_STIE_after", ["modality_given", "dose_class", "response_group"]].tolist() == [
        *("SBRT", "from_5", "non_responder"),
    ]
    assert named["rt_field"].equals(sheet["rt_field"])
    without = name_treatment(sheet.assign(lesion=""), **WORDS)
    assert without.loc["p0_TIMEout_before", "lesion_field"] == ""


@pytest.mark.parametrize(
    ("word", "group"),
    [
        *[(word, "responder") for word in ("R", "Responder", "cr", "PR", "MPR", "Complete Response")],
        *[
            (word, "non_responder")
            for word in ("NR", "Non-Responder", "non_responder", "SD", "pd", "Non-MPR")
        ],
        *[(word, "") for word in ("", "NE", "not evaluable")],
    ],
)
def test_words_for_response(word, group):
    named = name_treatment(sheet_of(1, response=word), **WORDS)
    assert set(named["response_group"]) == {group}


def test_responses_of_one_patient_that_differ_stay_with_their_samples():
    sheet = sheet_of(1)
    sheet["response"] = ["", "", "PR", "PR", "PD", "PD"]
    named = name_treatment(sheet, **WORDS)
    assert named["response_group"].tolist() == ["", "", *["responder"] * 2, *["non_responder"] * 2]


def test_words_that_mean_both_are_refused():
    with pytest.raises(ValueError, match="share sd"):
        Comparison(responder_names=("SD",))
    with pytest.raises(ValueError, match="ascend"):
        Comparison(dose_limits_gy=(5, 2))


def test_classes_of_dose_hold_their_lower_limit():
    limits = (1.8, 2.4, 5)
    found = [dose_class(dose, limits) for dose in ("0.5", "1.8", "2", "2.4", "5", "24", "", "high")]
    assert found == [
        *("below_1.8", "1.8_to_2.4", "1.8_to_2.4", "2.4_to_5", "from_5", "from_5", "", ""),
    ]
    assert dose_class("8", ()) == ""


def test_a_contrast_that_loses_its_last_pair_to_quality_is_told_and_does_not_vanish():
    sheet = name_treatment(sheet_of(2), **WORDS)
    contrasts, lost = contrasts_without(
        ["p0_STIE_after", "p1_TIMEin_after", "p1_TIMEout_after"], sheet, **MOMENTS, min_pairs=3
    )
    found = {contrast.name: contrast for contrast in contrasts}
    assert not len(found["after_vs_before:TIME-STIE"].patients)
    assert len(lost["after_vs_before:TIME-STIE"]) == 3


def test_what_is_derived_is_no_column_of_the_sheet_for_contrasts_of_your_own():
    from stietime.cohort.design.chosen import Chosen, make_contrasts

    sheet = name_treatment(sheet_of(1), **WORDS)
    chosen = Chosen("x", {"smoker": ("yes",)}, {"timepoint": ("before",)})
    with pytest.raises(Exception, match="smoker") as caught:
        make_contrasts([chosen], sheet)
    assert "rt_field" in str(caught.value)
    assert not [column for column in DERIVED if column in str(caught.value)]


def test_changes_of_responders_are_compared_with_those_of_the_others():
    sheet = sheet_of()
    one = contrasts_of(sheet)["change_responder_vs_non:TIME"]
    assert (one.design, one.environment, one.paired) == ("change_responder_vs_non", "TIME", False)
    assert set(one.first) == {f"p{n}" for n in range(4)}
    assert set(one.minus.first) == {f"p{n}" for n in range(4, 8)}

    def rise(row):
        moved = (row["response"], row["timepoint"], row["environment"]) == ("PR", "after", "TIME")
        return 1.5 if moved else 0.0

    found = effects_of(sheet, rise)
    assert found.loc[one.name, "estimate"] == pytest.approx(1.5, abs=0.3)
    assert found.loc[one.name, "q"] < 0.05
    assert found.loc[one.name, ["n_patients", "n_first", "n_second"]].tolist() == [8, 4, 4]
    blood = found.loc["change_responder_vs_non:STIE"]
    assert abs(blood["estimate"]) < 0.3
    assert blood["q"] > 0.05
    no_pair = sheet[(sheet["timepoint"] == "before") | (sheet["response"] == "PR")]
    assert "change_responder_vs_non:TIME" not in contrasts_of(no_pair)
