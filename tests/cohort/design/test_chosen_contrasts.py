"""Contrasts of the configuration: arms by conditions, differences of differences, and mistakes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.cohort.design.chosen import Chosen, columns_of, make_contrasts
from stietime.cohort.design.exclusions import contrasts_without
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import CELL_FRACTION, Measure
from stietime.errors import CombinedInputError, InputError

OUT_AFTER = {"environment": ("TIME",), "rt_field": ("out",), "timepoint": ("after",)}
OUT_BEFORE = {**OUT_AFTER, "timepoint": ("before",)}
BLOOD_AFTER = {"environment": ("STIE",), "timepoint": ("after",)}
BLOOD_BEFORE = {"environment": ("STIE",), "timepoint": ("before",)}
ABSCOPAL = Chosen("unirradiated", OUT_AFTER, OUT_BEFORE)
SAME_WAY = Chosen("same_way", OUT_AFTER, OUT_BEFORE, True, BLOOD_AFTER, BLOOD_BEFORE)


@pytest.fixture
def samples():
    """Eight patients with blood and lesions inside and outside the field, before and after."""
    rows = []
    for patient in range(8):
        for environment, field in (("STIE", ""), ("TIME", "in"), ("TIME", "out")):
            for point in ("before", "after"):
                name = f"p{patient}_{environment}{field}_{point}"
                dose = "" if environment == "STIE" else str(8 if patient % 2 else 2)
                response = "responder" if patient < 4 else "non-responder"
                rows.append((name, f"p{patient}", environment, field, point, dose, response, "NSCLC"))
    columns = [
        "sample",
        "patient",
        "environment",
        "rt_field",
        "timepoint",
        "dose_gy_per_fraction",
        "response",
    ]
    frame = pd.DataFrame(rows, columns=[*columns, "cancer"]).set_index("sample")
    return frame.assign(treatment="radiotherapy", donor=False)


def counts_of(samples, rise, seed=1, depth=2000):
    """Counts of five types; the first rises by `rise(row)` log-odds in some samples."""
    rng = np.random.default_rng(seed)
    share = np.array([0.1, 0.2, 0.3, 0.25, 0.15])
    rows = []
    for _, row in samples.iterrows():
        logs = np.log(share) + rng.normal(0, 0.1, 5)
        logs[0] += rise(row)
        rows.append(rng.multinomial(depth, np.exp(logs) / np.exp(logs).sum()))
    counts = pd.DataFrame(rows, index=samples.index, columns=list("abcde"), dtype=float)
    return Measure(CELL_FRACTION, counts, counts * 0 + depth, 10)


def test_the_unirradiated_lesion_is_compared_with_itself(samples):
    [contrast] = make_contrasts([ABSCOPAL], samples)
    assert set(contrast.first.index) == {f"p{n}_TIMEout_after" for n in range(8)}
    assert (contrast.paired, contrast.design, contrast.environment, contrast.cancer) == (
        True, "configured", "TIME", "NSCLC",
    )  # fmt: skip
    assert columns_of([ABSCOPAL, SAME_WAY]) == ["environment", "rt_field", "timepoint"]


def test_limits_choose_by_number_and_leave_out_what_has_none(samples):
    high = {"environment": ("TIME",), "timepoint": ("after",), "dose_gy_per_fraction": (">= 5", "<10")}
    low = {**high, "dose_gy_per_fraction": ("< 5",)}
    [contrast] = make_contrasts([Chosen("dose", high, low, paired=False)], samples)
    assert set(contrast.first) == {"p1", "p3", "p5", "p7"}
    assert set(contrast.second) == {"p0", "p2", "p4", "p6"}
    blood = Chosen("blood", {**high, "environment": ("STIE", "TIME")}, low, paired=False)
    assert make_contrasts([blood], samples)[0].first.index.str.contains("TIME").all()


def test_values_match_whatever_their_case(samples):
    shouted = Chosen("x", {"environment": ("time",), "timepoint": ("AFTER",)}, OUT_BEFORE)
    assert len(make_contrasts([shouted], samples)[0].first) == 16


def test_a_difference_of_differences_within_patients(samples):
    def rise(row):
        after = row["timepoint"] == "after"
        return after * (1.5 if row["rt_field"] == "out" else 0.5 if row["environment"] == "STIE" else 0)

    measure = counts_of(samples, rise)
    contrasts = make_contrasts([ABSCOPAL, SAME_WAY], samples)
    table = compare(contrasts, [measure], min_pairs=3).set_index(["contrast", "entity"])
    row = table.loc[("same_way", "a")]
    assert row["ci_low"] < 1.0 < row["ci_high"]
    assert (row["n_pairs"], row["n_patients"], row["status"]) == (8, 8, "tested")
    assert row["q"] <= 0.05
    logits = np.log((measure.numerator["a"] + 0.5) / (2000 - measure.numerator["a"] + 0.5))

    def change(tissue):
        return [logits[f"p{n}_{tissue}_after"] - logits[f"p{n}_{tissue}_before"] for n in range(8)]

    expected = np.mean(np.subtract(change("TIMEout"), change("STIE")))
    assert row["estimate"] == pytest.approx(expected)


def test_changes_of_responders_against_those_of_others(samples):
    responders = {**OUT_AFTER, "response": ("responder",)}
    others = {**OUT_AFTER, "response": ("non-responder",)}
    before = {"timepoint": ("before",)}
    chosen = Chosen("response", responders, {**responders, **before}, False, others, {**others, **before})
    measure = counts_of(
        samples, lambda row: 2.0 * (row["timepoint"] == "after") * (row["response"] == "responder")
    )
    table = compare(make_contrasts([chosen], samples), [measure], min_pairs=3).set_index("entity")
    row = table.loc["a"]
    assert (row["n_first"], row["n_second"], row["n_patients"], row["n_pairs"]) == (4, 4, 8, 0)
    assert row["ci_low"] < 2.0 < row["ci_high"]
    assert row["method"].startswith("moderated Welch")


def test_excluded_samples_leave_their_patient_out_of_both_differences(samples):
    contrasts, lost = contrasts_without(
        ["p0_STIE_after"], samples, before="before", after="after", min_pairs=3, chosen=[SAME_WAY]
    )
    contrast = contrasts[-1]
    assert contrast.name == "same_way"
    assert "p0" not in contrast.patients
    assert lost["same_way"] == ["p0_STIE_after"]
    row = compare([contrast], [counts_of(samples, lambda _: 0)], min_pairs=3).iloc[0]
    assert row["n_pairs"] == 7


def test_an_arm_without_samples_is_not_measured(samples):
    nobody = {**OUT_AFTER, "rt_field": ("in",), "environment": ("STIE",)}
    [contrast] = make_contrasts([Chosen("x", nobody, OUT_BEFORE)], samples)
    table = compare([contrast], [counts_of(samples, lambda _: 0)], min_pairs=3)
    assert (table["status"] == "not measured").all()


def test_all_mistakes_are_told_at_once_with_what_was_found(samples):
    wrong = Chosen(
        "wrong",
        {"rt_feild": ("out",), "timepoint": ("later",)},
        {"response": ("> 3",), "environment": ("TIME",)},
    )
    with pytest.raises(CombinedInputError) as found:
        make_contrasts([wrong], samples)
    told = str(found.value)
    assert "no column rt_feild; the columns that can be used are patient, environment, rt_field" in told
    assert "no sample has timepoint 'later'; found after, before" in told
    assert "response > 3 needs numbers, but the sample sheet has non-responder, responder" in told
    with pytest.raises(InputError, match="the arms share the samples p0_TIMEin_after"):
        make_contrasts([Chosen("same", {"environment": ("TIME",)}, {"timepoint": ("after",)})], samples)
