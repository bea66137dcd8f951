"""Section of the cohort's report on clones of T cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stietime import names
from stietime.figures.clones import indices_by_type, origins_of_clones, sharing_dumbbells
from stietime.report import labels
from stietime.report.blocks import Block, Box, Heading, Text, Tiles
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stietime.report.results import Results

TITLES = {
    "expansion": "Expansion",
    "migration": "Migration (bits)",
    "transition": "Transition (bits)",
}
COLUMNS = (
    *("patient", "entity", "index", "value", "n", "n_clones", "timepoint", "environment", "other"),
    *("expected", "note"),
)
ALL = "all"
COUNTED = ("n_cells", "n_receptors", "n_followed", "n_in_clones_of_several", "not_followed")


@section("clones", "Clones of T cells")
def clones(results: Results) -> list[Block]:
    """Show the indices by type, what blood and tumour share, and where new clones come from."""
    named = results.samples.get("receptors", pd.Series(dtype=object)).fillna("").astype(str)
    if not (results.has("clonotypes") or results.settings.clones.in_cells or (named != "").any()):
        return []
    every = results.table("clonotypes", COLUMNS)
    every[["timepoint", "environment", "other"]] = every[["timepoint", "environment", "other"]].fillna("")
    counts = results.table("receptor_counts", [names.SAMPLE, *COUNTED])
    return [
        Text(caption_text("clones", min_cells=results.settings.clones.min_cells)),
        _tiles(counts, every),
        *_indices(every, results),
        *_sharing(every, results),
        *_origins(every, results),
        _tests(results),
        _counts(counts, results),
    ]


def _tiles(counts: pd.DataFrame, every: pd.DataFrame) -> Tiles:
    cells, followed = int(counts["n_cells"].sum()), int(counts["n_followed"].sum())
    several = int(counts["n_in_clones_of_several"].sum())
    n = every.loc[every["value"].notna(), "patient"].nunique()
    share = f"{100 * several / followed:.0f} % of them" if followed else ""
    return Tiles(
        (
            (f"{followed:,}", "cells followed by their clone", f"of {cells:,} kept cells"),
            (f"{several:,}", "in a clone of several cells", share),
            (str(n), "patients with a value", f"of {every['patient'].nunique()}"),
        )
    )


def _baseline(every: pd.DataFrame, results: Results) -> pd.DataFrame:
    return every[every["timepoint"].isin(("", results.settings.comparison.before)) & every["value"].notna()]


def _indices(every: pd.DataFrame, results: Results) -> Iterator[Block]:
    yield Heading("Which types expand, move between tissues and turn into each other")
    rows = _baseline(every, results)
    rows = rows[rows["index"].isin(TITLES) & (rows["entity"] != ALL)]
    if rows.empty:
        yield Box("note", "Not testable", ("No type has enough cells with a clone in any patient.",))
        return
    drawn = rows.assign(label=rows["entity"].map(labels.label))
    means = drawn[drawn["index"] == "migration"].groupby("label")["value"].mean()
    order = (
        means.reindex(sorted(set(drawn["label"]))).sort_values(ascending=False, kind="stable").index.tolist()
    )
    n = int(drawn["patient"].nunique())
    alt = f"Expansion, migration and transition of {len(order)} types, one point per patient, n = {n}."
    yield picture(indices_by_type(drawn, order, TITLES), alt, caption_text("clone_indices", n=n),
                  (results.link("clonotypes"),))  # fmt: skip


def _sharing(every: pd.DataFrame, results: Results) -> Iterator[Block]:
    yield Heading("What blood and tumour share")
    rows = _baseline(every, results)
    pair = (rows["environment"] == names.TIME) & (rows["other"] == names.STIE)
    rows = rows[pair & (rows["index"] == "sharing") & (rows["entity"] == ALL)]
    if rows.empty:
        yield Box("note", "Not testable", _reasons(every, "sharing", names.TIME, names.STIE))
        return
    drawn = rows.sort_values("value", ascending=False, kind="stable")
    told = [f"{patient} (n = {n})" for patient, n in zip(drawn["patient"], drawn["n"], strict=True)]
    alt = f"Share of tumour cells in clones also found in blood, {len(drawn)} patients, found and by chance."
    caption = caption_text("clone_sharing", n=len(drawn))
    yield picture(sharing_dumbbells(drawn.assign(label=told)), alt, caption, (results.link("clonotypes"),))


def _reasons(every: pd.DataFrame, index: str, place: str, other: str = "") -> tuple[str, ...]:
    """Give the commonest reasons why an index has no value."""
    rows = every[(every["index"] == index) & (every["entity"] == ALL) & (every["environment"] == place)]
    rows = rows[rows["other"] == other]
    told = tuple(rows["note"].dropna().value_counts().index[:3])
    return told or ("No patient has both samples at the same time point.",)


def _origins(every: pd.DataFrame, results: Results) -> Iterator[Block]:
    whole = every[every["entity"] == ALL].set_index("patient")
    replaced = whole[whole["index"] == "replacement"]
    if replaced.empty:
        return
    yield Heading("Where the clones of tumours after treatment were before")
    known = replaced[replaced["value"].notna()]
    if known.empty:
        yield Box("note", "Not testable", tuple(replaced["note"].dropna().value_counts().index[:3]))
        return
    of_new = whole.loc[whole["index"] == "new_from_blood", "value"].reindex(known.index)
    drawn = pd.DataFrame({"old": 1 - known["value"], "expected": known["expected"]})
    drawn["from_blood"] = known["value"] * of_new
    drawn["new"] = known["value"] - drawn["from_blood"].fillna(0.0)
    unmeasured = of_new.isna() & (known["value"] > 0)
    blood = unmeasured.map({True: ", blood not measured", False: ""})
    drawn["label"] = known.index + " (n = " + known["n"].astype(int).astype(str) + blood + ")"
    drawn = drawn.sort_values("old", kind="stable")
    alt = f"Cells of the tumour after treatment by where their clones were before, {len(drawn)} patients."
    caption = caption_text("clone_origins", n=len(drawn))
    yield picture(origins_of_clones(drawn), alt, caption, (results.link("clonotypes"),))


def _tests(results: Results) -> Block:
    tested = results.table("clone_contrasts", ["contrast", "index", "entity", "estimate", "p", "q"])
    tested.insert(3, "name", tested["entity"].map(labels.label))
    order = tested.assign(_none=tested["p"].isna()).sort_values(["_none", "p"], kind="stable").index
    shown = tested.loc[order].replace({"contrast": {"_": " "}, "index": {"_": " "}}, regex=True)
    caption = caption_text("clone_contrasts", n=len(shown), tested=int(shown["p"].notna().sum()))
    return table(
        shown, caption, sources=(results.link("clone_contrasts"),), filters=("contrast", "index"),
        headers={"ci_low": "interval from", "ci_high": "to", "p_exact": "exact p"}, searchable=True,
        folded=f"Show the tests ({len(shown)} rows)",
    )  # fmt: skip


def _counts(counts: pd.DataFrame, results: Results) -> Block:
    caption = caption_text("receptor_counts", n=len(counts))
    return table(
        counts, caption, sources=(results.link("receptor_counts"),), searchable=True,
        headers={
            "n_cells": "kept cells", "n_receptors": "with a receptor", "n_followed": "followed",
            "n_in_clones_of_several": "in clones of several", "n_unknown_barcodes": "cells only in the file",
            "n_receptors_in_other_patients": "receptor in other patients too",
        }, folded=f"Show the receptors of the samples ({len(counts)} rows)",
    )  # fmt: skip
