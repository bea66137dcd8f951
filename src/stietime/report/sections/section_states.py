"""The reviews' states among the cells of a tissue section: where they lie, and which cannot be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names
from stietime.figures.style import colours_of
from stietime.figures.tissue import section_maps
from stietime.report.blocks import Block, Box
from stietime.report.labels import label, parent_label, short_label
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.sections.cells import drawn_cells
from stietime.report.sections.tissue import spots_of
from stietime.report.tables import format_percent, table

if TYPE_CHECKING:
    from stietime.report.results import Results

OTHER: Final = "other cells"
GREY: Final = "#DDDDDD"
RULE_COLUMNS: Final = ("set_id", "parent", "called", "n_parent", "n_called", "coverage", "note")


@section("states", "States: Texp, Treg, MDSC and others where the panel tells them")
def section_states(results: Results) -> list[Block]:
    """Map the called states, count them, and give the reason for each that is not testable."""
    rules = results.table(
        "section_state_rules", ["set_id", "parent", "called", "n_parent", "n_called", "note"]
    )
    is_called = rules["called"].astype(str).str.lower() == "true"
    called, rest = rules[is_called], rules[~is_called]
    return [*_map(results, called), *_counts(results, called), *_not_testable(rest)]


def _map(results: Results, called: pd.DataFrame) -> list[Block]:
    some = [str(name) for name in called.loc[called["n_called"].fillna(0) > 0, "set_id"]]
    if not some:
        return []
    columns = [names.CELL, *(names.call_column(name) for name in some)]
    spots = spots_of(results, results.name).merge(results.table("section_states", columns), on=names.CELL)
    spots["State"] = OTHER
    for name in reversed(some):  # states of one parent exclude each other, or the first of the rules stands
        spots.loc[spots[names.call_column(name)].fillna(value=False).astype(bool), "State"] = short_label(
            name
        )
    is_state = spots["State"] != OTHER
    shown = pd.concat([drawn_cells(results, spots[~is_state]), spots[is_state]])
    colours = colours_of([short_label(name) for name in some]) | {OTHER: GREY}
    told = ", ".join(f"{name} {n:,}" for name, n in spots.loc[is_state, "State"].value_counts().items())
    alt = f"Map of the section with the called states coloured: {told}."
    caption = caption_text("section_states", n=int(is_state.sum()), n_all=len(spots))
    sources = (results.link("section_states"),)
    return [picture(section_maps(shown, {"State": colours}), alt, caption, sources)]


def _counts(results: Results, called: pd.DataFrame) -> list[Block]:
    if called.empty:
        return []
    shown = pd.DataFrame(
        {
            "state": called["set_id"].map(label),
            "called among": called["parent"].map(parent_label),
            "cells": called["n_parent"],
            "called": called["n_called"],
            "share": (called["n_called"] / called["n_parent"]).astype(float),
            "genes on the panel": called["coverage"].astype(float),
            "what to know": called["note"],
        }
    )
    percent = dict.fromkeys(("share", "genes on the panel"), format_percent)
    caption = "The states that could be called in this section. A share of 0 was looked for and not found."
    sources = (results.link("section_state_rules"),)
    return [table(shown, caption, formats=percent, sources=sources)]


def _not_testable(rest: pd.DataFrame) -> list[Block]:
    if rest.empty:
        return []
    reasons = rest["note"].fillna("").str.removeprefix("not testable: ")
    lines = tuple(
        f"{', '.join(short_label(str(name)) for name in part)}: {reason}."
        for reason, part in rest.groupby(reasons, sort=False)["set_id"]
    )
    return [Box("note", "Not testable in this section, which is not the same as absent", lines)]
