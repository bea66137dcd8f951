"""Where each kind of cell is found, as the report shows it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stietime.cohort.composition.tissue_preference import COLUMNS, MEAN
from stietime.figures.preference import preference_matrix
from stietime.report.blocks import Box, Picture, Table
from stietime.report.sections.preference import preference
from stietime.storage import write_table

SURE = {"ci_low": 0.5, "ci_high": 2.0}


def rows(moment, entity, log2_roe, **changes):
    """Means of three patients: as much more in the tumour as less in the blood."""
    one = dict.fromkeys(COLUMNS, "") | {"level": "of_immune", "parent": "immune", "patient": MEAN}
    one |= {"observed": 10, "expected": 10.0, "roe": 1.0, "n_patients": 3, "moment": moment, "entity": entity}
    one |= {"ci_low": -1.0, "ci_high": 1.0}
    return [
        {**one, "environment": "STIE", "log2_roe": -log2_roe},
        {**one, "environment": "TIME", "log2_roe": log2_roe, **changes},
    ]


def shown(fabricated, *parts):
    frame = pd.DataFrame([row for part in parts for row in part], columns=list(COLUMNS))
    write_table(frame, fabricated.path("tissue_preference"))
    return preference(fabricated.open()).blocks


def test_kinds_stand_from_tumour_to_blood_with_what_is_sure_in_the_words(fabricated):
    blocks = shown(
        fabricated,
        rows("baseline", "nk_of_immune", -1.0),
        rows("baseline", "treg_of_immune", 1.5, **SURE),
        rows("after", "dc_of_immune", 0.2),
    )
    picture, table = blocks
    assert isinstance(picture, Picture)
    assert isinstance(table, Table)
    assert "2 kinds in 2 environments; the intervals of 1 kinds" in picture.alt
    assert "Before treatment" in picture.caption
    assert len(table.rows) == 6


def test_a_cohort_with_samples_after_treatment_only_is_shown_as_that(fabricated):
    picture, _ = shown(fabricated, rows("after", "nk_of_immune", 1.0))
    assert "After treatment" in picture.caption


def test_without_patients_of_two_environments_it_is_said(fabricated):
    [box] = shown(fabricated)
    assert isinstance(box, Box)


def test_the_matrix_writes_ratios_and_marks_what_was_not_measured():
    index, columns = ["a", "b"], ["blood", "tumour"]
    values = pd.DataFrame([[1.0, -1.0], [np.nan, 0.0]], index=index, columns=columns)
    sure = pd.DataFrame([[True, False], [False, False]], index=index, columns=columns)
    n = pd.DataFrame([[5, 5], [np.nan, 4]], index=index, columns=columns)
    axes = preference_matrix(values, sure, n).axes[0]
    texts = {text.get_text(): text for text in axes.texts}
    assert set(texts) == {"2  (n = 5)", "0.5  (n = 5)", "not measured", "1  (n = 4)"}
    assert texts["2  (n = 5)"].get_fontweight() == "bold"
    assert texts["0.5  (n = 5)"].get_fontweight() == "normal"
