"""Verdicts on samples: the rules, their limits, and the words."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pandas as pd
import pytest

from stietime.cells.quality.sample_verdicts import VerdictLimits, add_reason, judge, tell_losses
from stietime.names import SAMPLE_VERDICTS
from stietime.settings import Quality

LIMITS = VerdictLimits(min_cells_usable=5)
GOOD = {"n_measured": 900, "n_kept": 800, "saturation": 0.9, "contamination": 0.02}


def verdict_of(**facts):
    return judge({**GOOD, **facts}, LIMITS)


def test_the_limits_are_the_options_with_the_same_defaults():
    options = Quality()
    for field in dataclasses.fields(VerdictLimits):
        assert getattr(options, field.name) == field.default


def test_a_good_sample_is_usable_without_a_word():
    assert verdict_of() == ("usable", "")


@pytest.mark.parametrize(
    ("facts", "verdict", "reason"),
    [
        ({"n_kept": 50}, "usable", ""),
        ({"n_kept": 49}, "caution", "keeps 49 cells, fewer than 50 (min_cells_caution)"),
        ({"n_kept": 5}, "caution", "keeps 5 cells, fewer than 50 (min_cells_caution)"),
        ({"n_kept": 4}, "excluded", "keeps 4 cells, fewer than 5 (min_cells_usable)"),
        ({"n_kept": 1}, "excluded", "keeps 1 cell, fewer than 5 (min_cells_usable)"),
        ({"contamination": 0.2}, "usable", ""),
        (
            {"contamination": 0.21},
            "caution",
            "share of ambient counts 0.21, larger than 0.2 (max_contamination_caution)",
        ),
        (
            {"contamination": 0.6, "contamination_low": 0.55, "contamination_high": 0.66},
            "excluded",
            "share of ambient counts 0.6 (0.55 to 0.66), larger than 0.5 (max_contamination_usable)",
        ),
        ({"saturation": 0.5}, "usable", ""),
        ({"saturation": 0.31}, "caution", "saturation 0.31, lower than 0.5 (min_saturation_caution)"),
        ({"saturation": 0.09}, "excluded", "saturation 0.09, lower than 0.1 (min_saturation_usable)"),
        ({"sex_expressed": "male", "sex_sheet": "male"}, "usable", ""),
        ({"sex_expressed": "unclear", "sex_sheet": "male"}, "usable", ""),
        ({"sex_expressed": "male", "sex_sheet": ""}, "usable", ""),
        (
            {"sex_expressed": "male", "sex_sheet": "female"},
            "caution",
            "the cells express male, the sheet says female: swap suspected (on_swap caution)",
        ),
    ],
)
def test_each_rule_at_its_limit(facts, verdict, reason):
    assert verdict_of(**facts) == (verdict, reason)


def test_on_swap_can_exclude():
    facts = {**GOOD, "sex_expressed": "female", "sex_note": "counts: XIST 40", "sex_sheet": "male"}
    verdict, reason = judge(facts, VerdictLimits(on_swap="exclude"))
    assert verdict == "excluded"
    assert reason.startswith("the cells express female (counts: XIST 40), the sheet says male")


def test_all_reasons_are_told_and_the_worst_counts():
    verdict, reason = verdict_of(n_kept=31, contamination=0.7, saturation=0.4)
    assert verdict == "excluded"
    told = reason.split("; ")
    assert [part.rpartition("(")[2] for part in told] == [
        "min_cells_caution)",
        "max_contamination_usable)",
        "min_saturation_caution)",
    ]


@pytest.mark.parametrize("missing", [math.nan, None])
def test_what_is_not_estimable_is_said_and_is_no_reason(missing):
    verdict, reason = verdict_of(
        contamination=missing, contamination_note="no marker genes", saturation=missing
    )
    assert verdict == "usable"
    assert reason == "contamination not estimable (no marker genes); saturation not estimable"
    verdict, reason = verdict_of(n_kept=10, contamination=missing)
    assert verdict == "caution"
    assert reason.startswith("keeps 10 cells")
    assert reason.endswith("; contamination not estimable")


def test_empty_cells_of_a_table_are_nothing():
    assert verdict_of(sex_expressed=math.nan, sex_sheet=math.nan, contamination_note=math.nan) == (
        "usable",
        "",
    )


CUTS = pd.DataFrame(
    [
        ("all", "empty", 50, math.nan, 0),
        ("t_cell", "pct_mito", math.nan, 10.2, 40),
        ("neutrophil", "pct_mito", math.nan, 50, 600),
        ("nk", "pct_mito", math.nan, 5, 0),  # a cut that dropped nothing
        ("all", "n_genes", 100, 4000, 172),
        ("all", "doublet_score", math.nan, 0.3149, 7),
        ("all", "pct_hb", math.nan, math.nan, 0),
    ],
    columns=["lineage", "metric", "lower", "upper", "n_removed"],
)


def test_losses_name_the_filters_with_their_cuts_the_largest_first():
    removed = {"kept": 3, "low_genes": 172, "high_mito": 640, "doublet": 7, "empty": 0, "sample_excluded": 2}
    told = tell_losses(removed, CUTS)
    assert told == "high_mito 640 (above 10 to 50 %), low_genes 172 (below 100), doublet 7 (above 0.31)"
    assert tell_losses({"kept": 10}, CUTS) == ""
    # doublets by hashtags have no cut
    by_label = CUTS.assign(upper=CUTS["upper"].where(CUTS["metric"] != "doublet_score"))
    assert tell_losses({"doublet": 7}, by_label) == "doublet 7"


def test_a_sample_without_a_kept_cell_names_the_filter_and_its_numbers():
    losses = tell_losses({"high_mito": 640, "low_genes": 172}, CUTS)
    verdict, reason = judge(
        {"n_measured": 812, "n_kept": 0, "saturation": 0.9, "contamination": 0, "losses": losses}, LIMITS
    )
    assert verdict == "excluded"
    assert reason == "all 812 cells dropped: high_mito 640 (above 10 to 50 %), low_genes 172 (below 100)"
    # whatever the limits are: there is nothing to use
    lenient = VerdictLimits(min_cells_usable=0, min_cells_caution=0)
    assert judge({**GOOD, "n_kept": 0}, lenient) == ("excluded", "all 900 cells dropped")
    assert judge({**GOOD, "n_measured": 0, "n_kept": 0}, LIMITS)[1] == "the sample holds no cell"
    assert judge({**GOOD, "n_kept": 3, "losses": losses}, LIMITS)[1] == (
        f"keeps 3 cells, fewer than 5 (min_cells_usable), 897 dropped: {losses}"
    )


def test_a_further_reason_never_makes_a_verdict_better():
    for old, new in itertools.product(SAMPLE_VERDICTS, SAMPLE_VERDICTS):
        verdict, reason = add_reason(old, "", (new, "why"))
        assert SAMPLE_VERDICTS.index(verdict) == max(map(SAMPLE_VERDICTS.index, (old, new)))
        assert reason == "why"
    assert add_reason("usable", "so", ("caution", "why")) == ("caution", "so; why")
