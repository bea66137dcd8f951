"""Section of the cohort's report on two changes under treatment: the same way, or opposite ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names
from stietime.cohort.design.designs import AFTER_VS_BEFORE
from stietime.cohort.design.treatment import IN_FIELD, OUT_OF_FIELD
from stietime.cohort.design.treatment_designs import TUMOUR_MINUS_BLOOD, field_name
from stietime.cohort.testing import directions
from stietime.report import labels
from stietime.report.blocks import Block, Box, Heading, Tiles
from stietime.report.pictures import caption_text
from stietime.report.results import NotPartError
from stietime.report.section_makers import section
from stietime.report.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stietime.report.results import Results

COLUMNS: Final = ("contrast", "kind", "entity", "estimate", "ci_low", "ci_high", "p", "q", "n_patients")
KINDS: Final = {"cell_fraction": "cell fraction", "signature": "marker set score", "gene_expression": "gene"}
BLOOD: Final = f"{AFTER_VS_BEFORE}:{names.STIE}"
TUMOUR: Final = f"{AFTER_VS_BEFORE}:{names.TIME}"
OF_RADIOTHERAPY: Final = f"{BLOOD};treatment=radiotherapy"
OUT: Final = field_name(names.TIME, OUT_OF_FIELD)
IN: Final = field_name(names.TIME, IN_FIELD)
BOTH: Final = f"{names.TIME}-{names.STIE}"
# first, second, their difference; and what they are in words
PAIRS: Final = (
    (TUMOUR, BLOOD, TUMOUR_MINUS_BLOOD, "tumour", "blood"),
    (OUT, BLOOD, field_name(BOTH, OUT_OF_FIELD), "unirradiated lesion", "blood"),
    (IN, BLOOD, field_name(BOTH, IN_FIELD), "irradiated lesion", "blood"),
    (
        OUT,
        IN,
        field_name(names.TIME, f"{OUT_OF_FIELD}-{IN_FIELD}"),
        "unirradiated lesion",
        "irradiated lesion",
    ),
)
TONES: Final = {directions.SAME: "good", directions.OPPOSITE: "bad", directions.NEITHER: "quiet"}


@section("directions", "Do blood and tumour change the same way under treatment?")
def same_way(results: Results) -> list[Block]:
    """Set two changes side by side for every entity that both were tested for."""
    results.need(names.CELLS)
    every = results.table("contrasts", COLUMNS)
    listed = set(every["contrast"])
    # of a cohort with several treatments, the blood beside the lesions is that of the irradiated
    pairs = [
        (
            one,
            OF_RADIOTHERAPY if one != TUMOUR and other == BLOOD and OF_RADIOTHERAPY in listed else other,
            *rest,
        )
        for one, other, *rest in PAIRS
    ]
    blocks = [
        block
        for first, second, difference, *words in pairs
        if {first, second} <= listed
        for block in _pair(every, (first, second, difference), words, results)
    ]
    if not blocks:
        message = "No patient gave samples before and after treatment of both blood and tumour."
        raise NotPartError(message)
    return blocks


def _pair(
    every: pd.DataFrame, contrasts: tuple[str, str, str], words: list[str], results: Results
) -> list[Block]:
    """Show one pair of changes: how many go which way, and the table."""
    alpha = results.settings.comparison.alpha
    first, second, difference = contrasts
    read = directions.read_directions(every, first=first, second=second, difference=difference, alpha=alpha)
    tested = read[read["reading"] != directions.UNTESTED]
    title = f"{words[0].capitalize()} and {words[1]}"
    if tested.empty:
        return [Heading(title), Box("note", "Nothing is testable in both", (f"{len(read)} were looked at.",))]
    told = {
        directions.FIRST_ONLY: f"{words[0]} only",
        directions.SECOND_ONLY: f"{words[1]} only",
    }
    fractions = tested[tested["kind"] == "cell_fraction"]
    tiles = tuple(
        (str(int((fractions["reading"] == reading).sum())), told.get(reading, reading), "cell fractions")
        for reading in directions.READINGS[:-1]
    )
    facts = {"n": len(tested), "alpha": alpha, "first": words[0].capitalize()}
    listed = table(
        _shown(tested, words, told),
        caption_text("directions", **facts),
        tones={"reading": lambda reading: TONES.get(reading, "mid")},
        filters=("reading", "kind"),
        searchable=True,
        sources=(results.link("contrasts"),),
    )
    return [Heading(title), Tiles(tiles), listed]


def _shown(tested: pd.DataFrame, words: list[str], told: Mapping[str, str]) -> pd.DataFrame:
    """Write the rows for reading: what changed first, the largest differences in front."""
    order = {reading: place for place, reading in enumerate(directions.READINGS)}
    smallest = tested[["q_first", "q_second"]].min(axis=1)
    rows = tested.assign(_order=tested["reading"].map(order), _q=smallest).sort_values(["_order", "_q"])
    parents = rows["parent"].fillna("").astype(str).where(rows["kind"] != "gene_expression", "")
    return pd.DataFrame(
        {
            "what": [labels.measured_label(*pair) for pair in zip(rows["entity"], parents, strict=True)],
            "kind": rows["kind"].map(KINDS),
            "reading": rows["reading"].replace(dict(told)),
            f"change in {words[0]}": rows["estimate_first"],
            f"q in {words[0]}": rows["q_first"],
            f"change in {words[1]}": rows["estimate_second"],
            f"q in {words[1]}": rows["q_second"],
            "difference": rows["estimate_difference"],
            "from": rows["ci_low_difference"],
            "to": rows["ci_high_difference"],
            "q of the difference": rows["q_difference"],
            "patients with all": rows["n_patients_difference"],
        }
    )
