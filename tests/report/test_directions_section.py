"""What the report says of two changes, of what a sheet lacks, and of effects that dilution may explain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.figures.contrasts import forest
from stietime.report import contrast_labels
from stietime.report.blocks import Picture, Table, Tiles
from stietime.report.results import NotPartError
from stietime.report.sections.directions import same_way
from stietime.report.sections.questions import questions
from stietime.report.sections.statistics import contrasts
from stietime.storage import read_table, write_table


def texts(blocks):
    return [[cell.text for cell in row] for block in blocks if isinstance(block, Table) for row in block.rows]


def with_difference(fabricated, **changes):
    """Write the contrasts with the difference of the changes, all q 0.03 but for what is changed."""
    path = fabricated.path("contrasts")
    every = read_table(path)
    of_tumour = every[every["contrast"] == "after_vs_before:TIME"]
    both = pd.concat([every, of_tumour.assign(contrast="after_vs_before:TIME-STIE")], ignore_index=True)
    for (contrast, entity), values in changes.pop("rows", {}).items():
        rows = (both["contrast"] == contrast) & (both["entity"] == entity)
        for column, value in values.items():
            both.loc[rows, column] = value
    write_table(both, path)


def test_each_entity_has_its_reading_and_the_difference(fabricated):
    tumour, blood = "after_vs_before:TIME", "after_vs_before:STIE"
    with_difference(
        fabricated,
        rows={
            (tumour, "texp"): {"estimate": 1.0},
            (blood, "texp"): {"estimate": 2.0},
            (tumour, "treg"): {"estimate": 1.0},
            (blood, "treg"): {"estimate": -1.0},
            (tumour, "PDCD1"): {"estimate": 1.0, "q": 0.5},
        },
    )
    made = same_way(fabricated.open())
    assert not made.failed
    rows = {row[0]: row for row in texts(made.blocks)}
    assert [row[2] for name, row in rows.items() if name.startswith("Texp")] == ["same direction"]
    assert [row[2] for name, row in rows.items() if name.startswith("Treg")] == ["opposite directions"]
    assert rows["PDCD1"][2] == "blood only"
    assert not [name for name in rows if name.startswith("PMN")]  # not tested
    assert any(isinstance(block, Tiles) for block in made.blocks)


def test_a_cohort_without_two_changes_has_no_such_section(fabricated):
    every = read_table(fabricated.path("contrasts"))
    write_table(every[every["contrast"] == "stie_vs_time"], fabricated.path("contrasts"))
    with pytest.raises(NotPartError):
        same_way.function(fabricated.open())


def test_what_the_sheet_lacks_is_named_with_the_effect_that_could_be_seen(fabricated):
    rows = {row[0]: row for row in texts(questions(fabricated.open()).blocks)}
    abscopal = rows[contrast_labels.CONTRAST_NAMES["after_vs_before:TIME;rt_field=out"]]
    assert abscopal[1:3] == ["not testable", "the sample sheet does not fill the column rt_field"]
    assert "other cohorts (1 log-odds)" in abscopal
    assert rows[contrast_labels.CONTRAST_NAMES["time_vs_normal"]][2] == "no sample of normal tissue"
    assert rows[contrast_labels.CONTRAST_NAMES["stie_vs_time"]][1] == "tested"


def test_a_fraction_that_dilution_may_explain_is_drawn_with_its_other_effect(fabricated):
    every = read_table(fabricated.path("contrasts"))
    fraction = (every["kind"] == "cell_fraction") & (every["contrast"] == "stie_vs_time")
    relative = {"estimate_relative": 0.1, "relative_low": -0.5, "relative_high": 0.6, "q_relative": 0.7}
    for column, value in relative.items():
        every.loc[fraction & (every["entity"] == "texp"), column] = value
    write_table(every, fabricated.path("contrasts"))
    pictures = [block for block in contrasts(fabricated.open()).blocks if isinstance(block, Picture)]
    told = [picture for picture in pictures if "grey diamond" in picture.caption]
    assert len(told) == 1
    assert "the 1 rows where it disagrees" in told[0].caption


def test_the_diamond_stands_beside_its_row_only():
    frame = pd.DataFrame(
        {
            "label": ["a", "b"], "estimate": [1.0, -1.0], "ci_low": [0.5, -2.0], "ci_high": [1.5, 0.0],
            "q": [0.01, 0.2], "n": [4, 4], "beside": [0.1, np.nan], "beside_low": [-0.2, np.nan],
            "beside_high": [0.4, np.nan],
        }
    )  # fmt: skip
    plain = forest(frame.drop(columns=["beside", "beside_low", "beside_high"]), x_label="x", alpha=0.05)
    drawn = forest(frame, x_label="x", alpha=0.05)
    more = len(drawn.axes[0].collections) - len(plain.axes[0].collections)
    assert more == 2  # one interval and one diamond


@pytest.mark.parametrize(
    ("contrast", "name"),
    [
        (
            "after_vs_before:TIME;rt_modality=SBRT",
            "After against before treatment, in the tumour (TIME) (modality SBRT)",
        ),
        (
            "after_vs_before:STIE;dose_gy_per_fraction=from_5",
            "After against before treatment, in blood (STIE) (Gy per fraction from 5)",
        ),
    ],
)
def test_strata_are_named_in_words(contrast, name):
    assert contrast_labels.contrast_label(contrast) == name
    assert not contrast_labels.is_drawn(contrast)
    assert contrast_labels.is_drawn("after_vs_before:TIME;rt_field=out")
