"""Ligands and receptors within the paracrine range, in the report of a tissue section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime.figures.interactions import interaction_dots, interaction_profiles
from stietime.report.blocks import Block, Box
from stietime.report.labels import label
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import table
from stietime.tissue.interactions.clear import clear

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from stietime.report.results import Results

ALL: Final = "all"
MOST_TYPES, MOST_WHOLE, MOST_CURVES = 14, 22, 8
COLUMNS: Final = (
    *("axis", "ligand", "receptor", "type_a", "type_b", "log2_ratio", "ci_low", "ci_high", "z", "p", "q"),
    *("z_receptor", "q_receptor", "inflation", "p_spatial", "q_spatial"),
    *("n_expressing_a", "n_expressing_b", "n_pairs", "method", "note"),
)
HEADERS: Final = {
    "type_a": "senders",
    "type_b": "receivers",
    "log2_ratio": "log2 observed / expected",
    "ci_low": "interval from",
    "ci_high": "to",
    "q": "q (ligand permuted)",
    "z_receptor": "z (receptor permuted)",
    "q_receptor": "q (receptor permuted)",
    "inflation": "variance by autocorrelation, times",
    "p_spatial": "p (autocorrelated)",
    "q_spatial": "q (autocorrelated)",
    "n_expressing_a": "express the ligand",
    "n_expressing_b": "express the receptor",
    "n_pairs": "pairs in reach",
}


@section("interactions", "Ligands and receptors within the paracrine range")
def interactions(results: Results) -> list[Block]:
    """Show which ligands lie near their receptors beyond where the types lie, and what is not testable."""
    every = results.table("interactions", [*COLUMNS, "status"])
    options, alpha = results.settings.interactions, results.settings.comparison.alpha
    tested = every[every["status"] == "tested"].copy()
    off_panel = every[every["note"].fillna("").str.endswith("on the panel")]
    notes = _not_testable(every, tested, off_panel)
    if tested.empty:
        return notes
    tested["is_clear"] = clear(tested, alpha)
    tested["label"] = [_name(row) for row in tested.to_dict("records")]
    is_whole = (tested["type_a"] == ALL) & (tested["type_b"] == ALL)
    whole = tested[is_whole].sort_values("p_spatial").head(MOST_WHOLE)
    of_types = tested[~is_whole & tested["is_clear"]].sort_values("p_spatial").head(MOST_TYPES)
    shown = pd.concat([part.sort_values("log2_ratio", ascending=False) for part in (whole, of_types)])
    is_spots = results.has("proportions")
    facts = {"n_whole": len(whole), "n_types": len(of_types), "n_tested": len(tested), "options": options}
    facts |= {"alpha": alpha, "n_clear": int(tested["is_clear"].sum()), "is_spots": is_spots}
    best = shown[shown["is_clear"]]["label"]
    told = f"; clear: {', '.join(best[:3])}" if len(best) else "; none is clear"
    alt = f"Ratios of {len(shown)} pairs of ligand and receptor with intervals{told}."
    sources = (results.link("interactions"),)
    drawing = picture(interaction_dots(shown), alt, caption_text("interactions", **facts), sources)
    return [drawing, *_by_distance(results), *notes, _listed(tested, results)]


def _name(row: Mapping[Hashable, object]) -> str:
    genes = f"{row['ligand']} → {row['receptor']}"
    if row["type_a"] == ALL and row["type_b"] == ALL:
        return genes
    sides = (label(str(name)) if name != ALL else "all cells" for name in (row["type_a"], row["type_b"]))
    return f"{genes}, {' → '.join(sides)}"


def _by_distance(results: Results) -> list[Block]:
    """Draw the profiles of the pairs over all cells, those with the strongest first bins."""
    every = results.table("interaction_profiles", ["ligand", "receptor", "type_a", "type_b", "log2_ratio"])
    whole = every[(every["type_a"] == ALL) & (every["type_b"] == ALL) & every["log2_ratio"].notna()]
    if whole.empty:
        return []
    whole = whole.assign(pair=whole["ligand"] + " → " + whole["receptor"])
    strength = whole.assign(z=whole["z"].abs()).groupby("pair")["z"].max().sort_values(ascending=False)
    chosen = list(strength.index[:MOST_CURVES])
    shown = whole[whole["pair"].isin(chosen)]
    shown = shown.iloc[shown["pair"].map(chosen.index).argsort(kind="stable")]
    alt = f"Curves of the ratio by distance for {', '.join(chosen)}."
    caption = caption_text("interaction_profiles", n=len(chosen), n_all=len(strength))
    return [picture(interaction_profiles(shown), alt, caption, (results.link("interaction_profiles"),))]


def _not_testable(every: pd.DataFrame, tested: pd.DataFrame, off_panel: pd.DataFrame) -> list[Block]:
    lines = []
    if len(off_panel):
        pairs = ", ".join(
            f"{a} → {b}" for a, b in zip(off_panel["ligand"], off_panel["receptor"], strict=True)
        )
        lines.append(f"A gene is not on the panel ({len(off_panel)} pairs): {pairs}.")
    others = len(every) - len(tested) - len(off_panel)
    if others:
        lines.append(f"{others} further rows have too few expressing cells, or no two cells in reach.")
    return [Box("note", "Not testable, which is not the same as absent", tuple(lines))] if lines else []


def _listed(tested: pd.DataFrame, results: Results) -> Block:
    shown = tested.sort_values(["is_clear", "p_spatial"], ascending=[False, True])[
        [*COLUMNS, "is_clear"]
    ].head(400)
    shown[["type_a", "type_b"]] = shown[["type_a", "type_b"]].map(
        lambda name: "all cells" if name == ALL else label(str(name))
    )
    caption = (
        f"The clear rows first, then by p with autocorrelation ({len(shown)} of {len(tested)} tested rows)."
    )
    fold = f"Show the numbers ({len(shown)} rows)"
    sources = (results.link("interactions"),)
    return table(
        shown, caption, headers={**HEADERS, "is_clear": "clear"}, folded=fold, searchable=True,
        sources=sources,
    )  # fmt: skip
