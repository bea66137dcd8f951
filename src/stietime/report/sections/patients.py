"""Sections between patients, and each patient's sections beside the same patient's cells and blood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names
from stietime.figures.contrasts import forest
from stietime.report.blocks import Block, Box, Heading
from stietime.report.labels import short_label
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import format_percent, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stietime.report.results import Results

MOST_ROWS: Final = 20
UNITS: Final = {
    "architecture": "difference in the measure",
    "tls_per_mm2": "difference in structures per mm²",
    "infiltration": "difference in share of the cells inside the tumour",
    "enrichment": "difference in log2 (observed / expected contacts)",
    "co_occurrence": "difference in log2 co-occurrence",
    "proximity": "difference in log2 (median / expected distance)",
    "interaction": "difference in log2 (observed / expected ligand times receptor)",
    "niche_share": "difference in share of the cells",
}
STATES: Final = ("texp", "treg")
PLACES: Final = {names.TIME: "tumour cells", names.STIE: "blood"}


@section("section-contrasts", "Sections between patients, and beside the same patients' cells and blood")
def section_contrasts(results: Results) -> list[Block]:
    """Give forests of what differs between groups of patients, and one row per patient."""
    results.need(names.SECTION)
    every = results.table("section_contrasts", ["contrast", "kind", "entity", "estimate", "q", "status"])
    blocks = [block for _, part in every.groupby("contrast", sort=False) for block in _forests(part, results)]
    if every.empty:
        why = (
            "No two groups of sections can be compared: all are of one environment, time point and response."
        )
        blocks = [Box("note", "Nothing is compared", (why,))]
    return [*blocks, *_listed(every, results), _patients(results)]


def _forests(rows: pd.DataFrame, results: Results) -> Iterator[Block]:
    contrast = str(rows["contrast"].iloc[0])
    tested = rows[rows["status"] == "tested"]
    yield Heading(_title(contrast))
    if tested.empty:
        reasons = rows["note"].value_counts().index[:1]
        yield Box("note", "Not testable", tuple(f"{str(why)[:1].upper()}{str(why)[1:]}." for why in reasons))
        return
    alpha = results.settings.comparison.alpha
    for kind, part in tested.groupby("kind", sort=False):
        drawn = part.nsmallest(MOST_ROWS, "p").sort_values("estimate", ascending=False)
        shown = drawn.assign(label=drawn["entity"].str.replace("_", " "), n=drawn["n_patients"])
        unit = UNITS[str(kind).removesuffix(" (spots)")]
        name = str(kind).replace("_", " ")
        n_small = int((part["q"] <= alpha).sum())
        alt = f"{_title(contrast)}, {name}: {len(drawn)} estimates with intervals; {n_small} have a small q."
        facts = {"kind": name, "n_drawn": len(drawn), "n": len(part), "alpha": alpha, "n_small": n_small}
        caption = caption_text("section_contrasts", method=part["method"].iloc[0], **facts)
        sources = (results.link("section_contrasts"),)
        yield picture(forest(shown, x_label=unit, alpha=alpha), alt, caption, sources)


def _title(contrast: str) -> str:
    words = contrast.replace("_vs_", " against ").replace("_", " ")
    words = words.replace(":", ", ")
    return words[:1].upper() + words[1:]


def _listed(every: pd.DataFrame, results: Results) -> list[Block]:
    tested = every[every["status"] == "tested"]
    if tested.empty:
        return []
    fold = f"Show the numbers ({len(tested)} of {len(every)} rows are testable)"
    return [
        table(
            tested.sort_values("p").head(300), "Contrasts of sections, the smallest p first.", folded=fold,
            searchable=True, sources=(results.link("section_contrasts"),), filters=("contrast", "kind"),
        )
    ]  # fmt: skip


def _patients(results: Results) -> Block:
    sections = results.table("sections", ["section", "class"])
    rows = [_of_section(results, row) for row in sections.to_dict("records")]
    shown = pd.DataFrame(rows)
    for state in STATES:
        for place, words in PLACES.items():
            column = f"{short_label(state)}, {words}"
            shown[column] = shown["patient"].map(_fractions(results, state, place)).astype(float)
    kept = shown.dropna(axis=1, how="all")
    percent = {name: format_percent for name in kept.columns if "Texp" in name or "Treg" in name}
    sources = tuple(results.link(name) for name in ("sections", "composition") if results.has(name))
    return table(
        kept, caption_text("patients", n=shown["patient"].nunique()), formats=percent, sources=sources
    )


def _of_section(results: Results, row: dict[object, object]) -> dict[str, object]:
    name = str(row["section"])
    known = {str(key): value for key, value in row.items()}
    found: dict[str, object] = {
        "patient": str(known.get(names.PATIENT, "")),
        "section": name,
        "time point": known.get(names.TIMEPOINT),
        "class": known.get("class"),
        "mixing score": known.get("mixing_score"),
    }
    if results.has("structures", name):
        kinds = results.table("structures", ["kind"], name=name)["kind"]
        found["lymphoid structures"] = int((kinds == "tls").sum())
    if results.has("section_state_rules", name):
        rules = results.table("section_state_rules", ["set_id", "n_parent", "n_called"], name=name)
        share = (rules["n_called"].astype(float) / rules["n_parent"].astype(float)).set_axis(rules["set_id"])
        found |= {f"{short_label(state)}, section": share.get(state) for state in STATES}
    return found


def _fractions(results: Results, state: str, place: str) -> pd.Series:
    """Average the fraction of a state in its parent over a patient's samples of one environment."""
    if not results.has("composition"):
        return pd.Series(dtype=float)
    composition = results.table("composition", [names.SAMPLE, "entity", "fraction"])
    sheet = results.samples.set_index(names.SAMPLE)
    rows = composition[composition["entity"] == state]
    facts = sheet.reindex(rows[names.SAMPLE])
    chosen = (facts[names.ENVIRONMENT] == place).to_numpy()
    patient = facts[names.PATIENT].astype(str).to_numpy()
    return rows.assign(patient=patient)[chosen].groupby("patient")["fraction"].mean()
