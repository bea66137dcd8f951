"""What the sample sheet says, and which contrasts it allows."""

from __future__ import annotations

import pandas as pd
import pytest

from stietime.cohort.design.designs import find_contrasts, timing
from stietime.errors import InputError


def sheet(*rows):
    columns = ["sample", "patient", "environment", "timepoint", "treatment", "cancer"]
    return pd.DataFrame([dict(zip(columns, row, strict=True)) for row in rows])


def contrasts_of(name_samples, *rows, min_pairs=3):
    samples = name_samples(sheet(*rows))
    found = find_contrasts(samples, before="before", after="after", min_pairs=min_pairs)
    return {contrast.name: contrast for contrast in found}


def test_names_are_brought_to_those_of_the_claims(name_samples):
    samples = name_samples(
        sheet(
            ("a", "p1", "STIE", "", "anti-PD-1", "LUAD"),
            ("b", "p2", "STIE", "", "GVAX", "melanoma"),
            ("c", "p3", "STIE", "", "", "Healthy"),
        ),
        treatment_names={"gvax": "immunotherapy"},
        cancer_names={"Melanoma": "SKCM"},
    )
    assert samples["cancer"].tolist() == ["NSCLC", "SKCM", ""]
    assert samples["treatment"].tolist() == ["immunotherapy", "immunotherapy", "untreated"]
    assert samples["donor"].tolist() == [False, False, True]


def test_an_empty_cancer_means_donor_only_beside_patients_and_with_blood_alone(name_samples):
    rows = [("a", "p1", "STIE", "", "", ""), ("b", "p1", "TIME", "", "", ""), ("c", "p2", "STIE", "", "", "")]
    assert not name_samples(sheet(*rows))["donor"].any()
    with_patient = name_samples(sheet(*rows, ("d", "p3", "STIE", "", "", "HCC")))
    assert with_patient["donor"].to_dict() == {"a": False, "b": False, "c": True, "d": False}


def test_a_sample_without_cancer_has_that_of_its_patient(name_samples):
    samples = name_samples(sheet(("a", "p1", "STIE", "", "", "HCC"), ("b", "p1", "normal", "", "", "")))
    assert samples["cancer"].tolist() == ["HCC", "HCC"]


def test_all_contradictions_of_the_sheet_come_at_once(name_samples):
    rows = sheet(
        ("a", "p1", "STIE", "", "", "HCC"), ("a", "p2", "STIE", "", "", "HCC"), ("b", "", "TIME", "", "", "")
    )
    with pytest.raises(InputError, match=r"(?s)sample a has different values.*sample b has no patient"):
        name_samples(rows)
    with pytest.raises(InputError, match="p1 has 2 cancers: HCC, NPC"):
        name_samples(sheet(("a", "p1", "STIE", "", "", "HCC"), ("b", "p1", "TIME", "", "", "NPC")))


def test_a_treated_sample_without_time_point_is_neither_before_nor_after(name_samples):
    samples = name_samples(
        sheet(
            ("a", "p1", "STIE", "Before", "immunotherapy", "HCC"),
            ("b", "p1", "STIE", "after", "immunotherapy", "HCC"),
            ("c", "p1", "STIE", "", "untreated", "HCC"),
            ("d", "p1", "STIE", "", "immunotherapy", "HCC"),
            ("e", "p1", "STIE", "week 3", "untreated", "HCC"),
        )
    )
    when = timing(samples, before="before", after="after")
    assert when.to_dict() == {"a": "baseline", "b": "after", "c": "baseline", "d": "other", "e": "other"}


def test_full_design_gives_every_contrast_with_before_samples_only(name_samples):
    rows = [
        (f"{p}_{e}_{t}", p, e, t, "immunotherapy", "NSCLC")
        for p in ("p1", "p2", "p3")
        for e in ("STIE", "TIME")
        for t in ("before", "after")
    ]
    rows += [(f"{p}_n", p, "normal", "", "", "NSCLC") for p in ("p1", "p2")]
    rows += [("d1_blood", "d1", "STIE", "", "", "healthy")]
    found = contrasts_of(name_samples, *rows)
    assert list(found) == [
        "stie_vs_time",
        "time_vs_normal",
        "patient_vs_donor_blood",
        "after_vs_before:STIE",
        "after_vs_before:TIME",
    ]
    main = found["stie_vs_time"]
    assert list(main.first.index) == ["p1_STIE_before", "p2_STIE_before", "p3_STIE_before"]
    assert list(main.second.index) == ["p1_TIME_before", "p2_TIME_before", "p3_TIME_before"]
    assert (main.paired, main.cancer, main.treatment) == (True, "NSCLC", "untreated")
    assert not found["time_vs_normal"].paired  # two patients gave both, three are asked for
    assert list(found["patient_vs_donor_blood"].second.index) == ["d1_blood"]
    after = found["after_vs_before:TIME"]
    assert (after.environment, after.treatment) == ("TIME", "immunotherapy")
    assert list(after.first.index) == ["p1_TIME_after", "p2_TIME_after", "p3_TIME_after"]


def test_normal_tissue_is_paired_where_enough_patients_gave_both(name_samples):
    rows = [(f"{p}_{e}", p, e, "", "", "HCC") for p in ("p1", "p2", "p3") for e in ("TIME", "normal")]
    assert contrasts_of(name_samples, *rows)["time_vs_normal"].paired
    assert not contrasts_of(name_samples, *rows, min_pairs=4)["time_vs_normal"].paired


def test_cancers_and_treatments_are_told_apart(name_samples):
    rows = [
        (f"{p}_{t}", p, "TIME", t, treatment, cancer)
        for p, treatment, cancer in (
            ("p1", "radiotherapy", "HCC"),
            ("p2", "radiotherapy", "NPC"),
            ("p3", "chemotherapy", "NPC"),
        )
        for t in ("before", "after")
    ]
    found = contrasts_of(name_samples, *rows)
    whole = found["after_vs_before:TIME"]
    assert (whole.cancer, whole.treatment) == ("", "")
    one = found["after_vs_before:TIME;treatment=radiotherapy;cancer=NPC"]
    assert list(one.first.index) == list(one.second.index.str.replace("before", "after")) == ["p2_after"]
    assert (one.cancer, one.treatment) == ("NPC", "radiotherapy")
    combined = found["after_vs_before:TIME;treatment=chemo_targeted_combined"]
    assert set(combined.first) == {"p3"}
    assert len(found) == 9 - 1  # no HCC patient had the combined treatment


def test_a_contrast_without_a_pair_keeps_the_cancer_of_its_patients(name_samples):
    found = contrasts_of(
        name_samples,
        ("a", "p1", "STIE", "before", "", "NSCLC"),
        ("b", "p2", "STIE", "before", "", "NSCLC"),
        ("c", "q1", "TIME", "before", "", "NSCLC"),
    )
    assert len(found["stie_vs_time"].patients) == 0
    assert (found["stie_vs_time"].cancer, found["stie_vs_time"].treatment) == ("NSCLC", "untreated")


def test_donors_serve_every_cancer(name_samples):
    found = contrasts_of(
        name_samples,
        ("a", "p1", "STIE", "", "", "HCC"),
        ("b", "p2", "STIE", "", "", "NPC"),
        ("c", "d1", "STIE", "", "", "healthy"),
    )
    for cancer, sample in (("HCC", "a"), ("NPC", "b")):
        contrast = found[f"patient_vs_donor_blood;cancer={cancer}"]
        assert (list(contrast.first.index), list(contrast.second.index)) == ([sample], ["c"])
        assert contrast.cancer == cancer


def test_a_sheet_with_one_environment_allows_nothing(name_samples):
    assert contrasts_of(name_samples, ("a", "p1", "TIME", "", "", "HCC")) == {}
