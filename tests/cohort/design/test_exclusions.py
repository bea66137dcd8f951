"""Contrasts of a cohort in which samples are excluded."""

from __future__ import annotations

import pandas as pd
import pytest

from stietime.cohort.composition.composition import count_entities
from stietime.cohort.design.designs import find_contrasts
from stietime.cohort.design.exclusions import contrasts_without, note_excluded
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import composition_measure

OPTIONS = {"before": "before", "after": "after", "min_pairs": 3}
PLAN = {("STIE", "before"): {}, ("TIME", "before"): {}, ("TIME", "after"): {}}


@pytest.fixture
def cohort(draw_cohort, name_samples):
    """Five patients, four of NSCLC and one of HCC, with normal tissue from the last three."""
    lung = draw_cohort(PLAN, n_patients=4)
    liver = draw_cohort(PLAN, n_patients=1, cancer="HCC", patient="q0")
    liver["sample"] = liver["sample"].str.replace("p0", "q0")
    cells = pd.concat([lung, liver], ignore_index=True)
    return cells, name_samples(cells)


def test_without_exclusions_nothing_changes(cohort):
    _, samples = cohort
    contrasts, lost = contrasts_without([], samples, **OPTIONS)
    expected = find_contrasts(samples, **OPTIONS)
    assert [c.name for c in contrasts] == [c.name for c in expected]
    assert all(
        a.first.equals(b.first) and a.second.equals(b.second)
        for a, b in zip(contrasts, expected, strict=True)
    )
    assert lost == {}


def test_excluded_samples_are_in_no_arm_and_named_where_they_were(cohort):
    _, samples = cohort
    out = ["p1_TIME_before", "p2_TIME_after"]
    contrasts, lost = contrasts_without(out, samples, **OPTIONS)
    for contrast in contrasts:
        assert not contrast.first.index.union(contrast.second.index).intersection(out).size
    assert lost["stie_vs_time"] == ["p1_TIME_before"]
    assert lost["stie_vs_time;cancer=NSCLC"] == ["p1_TIME_before"]
    assert lost["after_vs_before:TIME"] == out
    assert "stie_vs_time;cancer=HCC" not in lost
    by_name = {contrast.name: contrast for contrast in contrasts}
    assert by_name["stie_vs_time"].patients.tolist() == ["p0", "p2", "p3", "q0"]


def test_a_stratum_that_lost_an_arm_stays_and_one_that_is_all_there_is_goes(cohort):
    _, samples = cohort
    contrasts, lost = contrasts_without(["q0_STIE_before", "q0_TIME_before"], samples, **OPTIONS)
    by_name = {contrast.name: contrast for contrast in contrasts}
    # with NSCLC alone left, the contrast over all patients is that of NSCLC
    assert "stie_vs_time;cancer=NSCLC" not in by_name
    assert by_name["stie_vs_time"].cancer == "NSCLC"
    emptied = by_name["stie_vs_time;cancer=HCC"]
    assert (len(emptied.first), len(emptied.second), emptied.cancer) == (0, 0, "HCC")
    assert lost["stie_vs_time;cancer=HCC"] == ["q0_STIE_before", "q0_TIME_before"]


def test_the_numbers_are_those_of_the_cohort_without_the_sample(cohort, sets, name_samples):
    cells, samples = cohort
    out = "p1_TIME_before"
    kept = cells[cells["sample"] != out]
    composition = count_entities(kept, samples, sets, min_parent_cells=10, excluded={out: "why"})
    contrasts, lost = contrasts_without([out], samples, **OPTIONS)
    table = note_excluded(
        compare(contrasts, [composition_measure(composition, min_parent_cells=10)], min_pairs=3), lost
    )
    named = name_samples(kept)
    alone = composition_measure(count_entities(kept, named, sets, min_parent_cells=10), min_parent_cells=10)
    expected = compare(find_contrasts(named, **OPTIONS), [alone], min_pairs=3)
    pd.testing.assert_frame_equal(table.drop(columns="note"), expected.drop(columns="note"))
    touched = table["contrast"].isin(list(lost))
    assert touched.any()
    assert not touched.all()
    assert table.loc[touched, "note"].str.startswith(f"1 sample excluded ({out})").all()
    assert (table.loc[~touched, "note"] == expected.loc[~touched, "note"]).all()


def test_empty_arms_are_not_measured_paired_or_not(draw_cohort, name_samples, sets):
    plan = {("STIE", "before"): {}, ("TIME", "before"): {}, ("normal", "before"): {}}
    cells = draw_cohort(plan, n_patients=2)
    samples = name_samples(cells)
    out = [sample for sample in samples.index if "TIME" in sample]
    kept = cells[~cells["sample"].isin(out)]
    composition = count_entities(kept, samples, sets, min_parent_cells=10, excluded=dict.fromkeys(out, "why"))
    contrasts, lost = contrasts_without(out, samples, **OPTIONS)
    assert {contrast.name: contrast.paired for contrast in contrasts} == {
        "stie_vs_time": True,
        "time_vs_normal": False,
    }
    measure = composition_measure(composition, min_parent_cells=10)
    table = note_excluded(compare(contrasts, [measure], min_pairs=3), lost)
    assert set(table["status"]) == {"not measured"}
    assert table[["estimate", "ci_low", "p", "q"]].isna().all(axis=None)
    notes = table.groupby("contrast")["note"].first()
    words = "2 samples excluded (p0_TIME_before, p1_TIME_before); not measured: "
    assert notes["stie_vs_time"] == f"{words}no patient has both samples"
    assert notes["time_vs_normal"].startswith(words)


def test_many_excluded_samples_are_counted_and_five_of_them_named():
    table = pd.DataFrame({"contrast": ["a", "b"], "note": ["", "few"]})
    noted = note_excluded(table, {"a": [f"s{number}" for number in range(8)], "b": ["s1"]})
    assert noted["note"].tolist() == [
        "8 samples excluded (s0, s1, s2, s3, s4 and 3 more)",
        "1 sample excluded (s1); few",
    ]
