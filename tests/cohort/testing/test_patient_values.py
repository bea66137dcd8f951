"""The values of single patients behind the contrasts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.cohort.composition.composition import count_entities
from stietime.cohort.composition.gates import count_gated
from stietime.cohort.design.designs import Contrast, find_contrasts
from stietime.cohort.testing.contrasts import compare
from stietime.cohort.testing.measures import composition_measure, gated_measure
from stietime.cohort.testing.patient_values import COLUMNS, patient_values
from stietime.cohort.testing.signatures import signature_measure

WANTED = {
    "cell_fraction": ["texp", "nk_of_immune", "neutrophil_of_immune"],
    "gated_fraction": ["cd8_gzmb_of_immune", "texp_of_immune"],
    "signature": ["cd8_gzmb"],
}
KEYS = ["contrast", "kind", "entity"]


@pytest.fixture(scope="module")
def cohort(sets, name_samples, draw_cohort):
    plan = {(e, t): {} for e in ("STIE", "TIME") for t in ("before", "after")}
    cells = draw_cohort(plan, n_patients=5, n_cells=300)
    donors = draw_cohort({("STIE", ""): {}}, n_patients=4, seed=3, cancer="healthy", treatment="")
    donors["patient"], donors["sample"] = "d" + donors["patient"], "d" + donors["sample"]
    cells = pd.concat([cells, donors], ignore_index=True)
    samples = name_samples(cells)
    composition = count_entities(cells, samples, sets, min_parent_cells=10)
    gated = count_gated(cells, samples, sets, ["cd8_gzmb", "texp", "nk"], min_parent_cells=10)
    measures = [
        composition_measure(composition, min_parent_cells=10),
        gated_measure(gated, min_parent_cells=10),
        signature_measure(cells, samples, sets, min_parent_cells=10),
    ]
    contrasts = find_contrasts(samples, before="before", after="after", min_pairs=3)
    return cells, samples, measures, contrasts, gated


def test_estimates_are_those_of_the_values(cohort):
    _, _, measures, contrasts, _ = cohort
    values = patient_values(contrasts, measures, WANTED)
    assert list(values.columns) == list(COLUMNS)
    table = compare(contrasts, measures, min_pairs=3).set_index(KEYS)
    assert {"stie_vs_time", "patient_vs_donor_blood", "after_vs_before:TIME"} <= set(values["contrast"])
    for key, rows in values.groupby(KEYS):
        row, arms = table.loc[key], {arm: part.set_index("patient") for arm, part in rows.groupby("arm")}
        if row["n_pairs"]:
            assert len(arms["first"]) == len(arms["second"]) == row["n_pairs"]
            difference = (arms["first"]["value"] - arms["second"]["value"]).mean()
        else:
            assert (len(arms["first"]), len(arms["second"])) == (row["n_first"], row["n_second"])
            difference = arms["first"]["value"].mean() - arms["second"]["value"].mean()
        assert difference == pytest.approx(row["estimate"])
        assert arms["first"]["natural"].mean() == pytest.approx(row["mean_first"])
    assert set(values["entity"]) == {entity for wanted in WANTED.values() for entity in wanted}


def test_numbers_are_those_of_the_cells(cohort):
    cells, _, measures, contrasts, _ = cohort
    values = patient_values(contrasts, measures, WANTED)
    row = values.query(
        "contrast == 'stie_vs_time' and entity == 'texp' and patient == 'p3' and arm == 'second'"
    ).iloc[0]
    own = cells[
        (cells["patient"] == "p3") & (cells["environment"] == "TIME") & (cells["timepoint"] == "before")
    ]
    assert row["n"] == own["is_texp"].sum()
    assert row["n_parent"] == (own["cell_type"] == "cd8_t").sum()
    assert row["natural"] == pytest.approx(row["n"] / row["n_parent"])


def test_differences_of_differences_give_one_value_per_patient_and_arm(cohort):
    _, samples, measures, _, _ = cohort

    def arm(environment, timepoint):
        chosen = (samples["environment"] == environment) & (samples["timepoint"] == timepoint)
        return samples.loc[chosen, "patient"]

    inner = Contrast("x", "configured", "", arm("STIE", "after"), arm("STIE", "before"), paired=True)
    for paired in (True, False):
        contrast = Contrast(
            "x", "configured", "", arm("TIME", "after"), arm("TIME", "before"), paired=paired, minus=inner
        )
        values = patient_values([contrast], measures, WANTED)
        row = compare([contrast], measures, min_pairs=3).set_index("entity").loc["nk_of_immune"]
        rows = values[values["entity"] == "nk_of_immune"]
        means = rows.groupby("arm")["value"].mean()
        assert means["first"] - means["second"] == pytest.approx(row["estimate"])
        assert rows["n"].isna().all()
        assert rows.groupby("arm")["patient"].nunique().tolist() == [5, 5]


def test_gated_cells_are_called_or_score_above_zero_in_their_parent(cohort):
    cells, _, _, _, gated = cohort
    one = cells[cells["sample"] == "p0_TIME_before"]
    rows = gated[gated["sample"] == "p0_TIME_before"].set_index("entity")
    immune = ~one["lineage"].isin(["epithelial", "erythroid"])
    assert rows.loc["texp_of_immune", "n"] == one["is_texp"].sum()
    matching = (one["cell_type"] == "cd8_t") & (one["score_cd8_gzmb"] > 0)
    assert rows.loc["cd8_gzmb_of_immune", "n"] == matching.sum()
    assert set(rows["level"]) == {"gated"}
    assert "nk_of_immune" not in rows.index  # a lineage, which has a fraction of its own
    assert (rows["n_parent"] <= immune.sum() + (one["lineage"] == "erythroid").sum()).all()


def test_without_anything_wanted_the_table_is_empty(cohort):
    _, _, measures, contrasts, _ = cohort
    empty = patient_values(contrasts, measures, {})
    assert list(empty.columns) == list(COLUMNS)
    assert empty.empty
    assert not np.size(patient_values([], measures, WANTED))
