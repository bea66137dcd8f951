"""Sections of the cohort's report on statistics: contrasts, planted beside recovered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from stietime import names
from stietime.figures.contrasts import forest, planted_dumbbells
from stietime.report import labels
from stietime.report.blocks import Block, Box, Heading, Text, Tiles
from stietime.report.contrast_labels import contrast_label, contrast_sides, is_drawn
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import format_number, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stietime.report.results import Results

GENES = "gene_expression"
MOST_ROWS_DRAWN = 24
MOST_ROWS_LISTED = 400
KIND_NAMES = {
    "cell_fraction": "cell fractions",
    "signature": "marker set scores",
    "gene_expression": "genes",
}
UNITS = {
    "cell_fraction": "difference in log-odds of the fraction",
    "signature": "difference in mean score",
    "gene_expression": "log2 fold change",
}
CONTRAST_COLUMNS = (
    *("contrast", "entity", "kind", "estimate", "ci_low", "ci_high", "p", "q"),
    *("n_patients", "n_pairs", "method", "note"),
)
STATE_FRACTION = "state_fraction"
# checks of a simulated cohort by how their name starts
CHECK_GROUPS = {
    "checks met": "",
    "fractions of states recovered": STATE_FRACTION,
    "directions of states recovered": "direction",
    "section classes recovered": "section_class",
}


@section("contrasts", "Contrasts between environments and time points")
def contrasts(results: Results) -> list[Block]:
    """Forest plots of each contrast, and the table behind them."""
    results.need(names.CELLS)
    every = results.table("contrasts", CONTRAST_COLUMNS)
    blocks: list[Block] = [Text(caption_text("contrasts", alpha=results.settings.comparison.alpha))]
    if every.empty:
        return [
            *blocks,
            Box("note", "No contrast can be made", ("No two groups of samples can be compared.",)),
        ]
    for contrast, rows in every.groupby("contrast", sort=False):
        if is_drawn(str(contrast)):  # others stand in the table only
            blocks += list(_forests(str(contrast), rows, results))
    return [*blocks, _contrast_table(every, results)]


def _forests(contrast: str, rows: pd.DataFrame, results: Results) -> Iterator[Block]:
    tested = rows[rows["p"].notna()]
    yield Heading(contrast_label(contrast))
    if "confounded" in rows and rows["confounded"].notna().any():
        yield Box("warning", "Nothing can be concluded from this contrast", (rows["confounded"].iloc[0],))
    if tested.empty:
        reasons = tuple(rows["note"].dropna().value_counts().index[:2])
        yield Box("note", "Nothing is testable in this contrast", reasons)
    for kind in KIND_NAMES:
        part = tested[tested["kind"] == kind]
        if len(part):
            yield _forest(contrast, kind, part, results)


def _forest(contrast: str, kind: str, part: pd.DataFrame, results: Results) -> Block:
    alpha, drawn = results.settings.comparison.alpha, _chosen_rows(part)
    paired = drawn["n_pairs"] > 0
    has_parent = "parent" in drawn.columns and kind != GENES
    parents = drawn["parent"].fillna("").astype(str) if has_parent else [""] * len(drawn)
    told = [labels.measured_label(*pair) for pair in zip(drawn["entity"], parents, strict=True)]
    shown = drawn.assign(label=told, n=drawn["n_pairs"].where(paired, drawn["n_patients"]))
    shown, n_diluted = _with_dilution(shown, alpha)
    figure = forest(shown, x_label=UNITS[kind], alpha=alpha, sides=contrast_sides(contrast))
    facts = {"kind": KIND_NAMES[kind], "n_drawn": len(drawn), "n": len(part), "alpha": alpha}
    facts |= {"n_small": int((part["q"] <= alpha).sum()), "paired": bool(paired.any())}
    facts |= {"n_diluted": n_diluted}
    caption = caption_text("forest", method=drawn["method"].mode().iloc[0], **facts)
    alt = (
        f"{contrast_label(contrast)}, {KIND_NAMES[kind]}: estimates with intervals of {len(drawn)} "
        f"entities; {facts['n_small']} have q of {alpha} or less."
    )
    return picture(figure, alt, caption, (results.link("contrasts"),))


def _with_dilution(drawn: pd.DataFrame, alpha: float) -> tuple[pd.DataFrame, int]:
    """Add the effect beside the steadiest cells to the rows where it disagrees, and count these.

    It disagrees where one of the two is found (q at most `alpha`) and the other is not, or has another sign.
    """
    if "estimate_relative" not in drawn or drawn["estimate_relative"].isna().all():
        return drawn, 0
    plain, relative = drawn["q"] <= alpha, drawn["q_relative"] <= alpha
    opposite = plain & relative & (drawn["estimate"] * drawn["estimate_relative"] < 0)
    apart = drawn["q_relative"].notna() & ((plain != relative) | opposite)
    columns = {"beside": "estimate_relative", "beside_low": "relative_low", "beside_high": "relative_high"}
    added = {name: drawn[column].where(apart) for name, column in columns.items()}
    return (drawn.assign(**added), int(apart.sum())) if apart.any() else (drawn, 0)


def _chosen_rows(part: pd.DataFrame) -> pd.DataFrame:
    """Choose what is drawn: the called states, then the smallest p; sorted by the estimate.

    A fraction that is drawn among all cells is not drawn again among immune cells.
    """
    repeated = part["entity"].str.removesuffix(labels.OF_IMMUNE).isin(set(part["entity"]))
    part = part[
        ~(part["entity"].str.endswith(labels.OF_IMMUNE) & repeated) & (part["entity"] != names.UNKNOWN)
    ]
    rank = part["entity"].isin(names.STATES).map({True: 0, False: 1})
    order = part.assign(_rank=rank).sort_values(["_rank", "p", "entity"], kind="stable", na_position="last")
    return part.loc[order.index[:MOST_ROWS_DRAWN]].sort_values("estimate", ascending=False)


def _contrast_table(every: pd.DataFrame, results: Results) -> Block:
    order = (
        every.assign(_untested=every["estimate"].isna()).sort_values(["_untested", "p"], kind="stable").index
    )
    listed = every.loc[order[:MOST_ROWS_LISTED]].copy()
    listed.insert(2, "name", listed["entity"].map(labels.label))
    facts = {"n": len(every), "listed": len(listed), "tested": int(every["estimate"].notna().sum())}
    return table(
        listed, caption_text("contrast_table", **facts), sources=(results.link("contrasts"),),
        headers={"ci_low": "interval from", "ci_high": "to"}, folded=f"Show the numbers ({len(listed)} rows)",
        filters=("contrast", "kind"), searchable=True,
    )  # fmt: skip


@section("planted", "Planted beside recovered")
def planted(results: Results) -> list[Block]:
    """Set what the simulation put in beside what the chain found; nothing for real data."""
    if not results.has("planted") and (not results.is_simulated or results.rows(names.CELLS).empty):
        return []
    every = results.table("planted", ["check", "entity", "planted", "recovered", "n", "met"])
    met = every["met"].astype(str).str.lower().map({"true": True, "false": False})
    groups = [
        (title, met[every["check"].str.startswith(start)].dropna()) for title, start in CHECK_GROUPS.items()
    ]
    tiles = tuple((f"{int(part.sum())} of {len(part)}", title, "") for title, part in groups if len(part))
    blocks: list[Block] = [Text(caption_text("planted")), Tiles(tiles)]
    drawn = _dumbbells(every)
    sources = (results.link("planted"),)
    if len(drawn):
        alt = f"Planted and recovered fractions of states, {len(drawn)} pairs, each joined by a line."
        blocks.append(
            picture(planted_dumbbells(drawn), alt, caption_text("dumbbells", n=len(drawn)), sources)
        )
    every["met"] = met.map({True: "met", False: "not met"}).fillna("told only")
    every[["planted", "recovered"]] = every[["planted", "recovered"]].map(_rounded)
    every["check"] = every["check"].str.replace("_", " ")
    every["entity"] = every["entity"].replace(labels.STATE_SHORT_NAMES)
    caption = f"Every check (n = {len(every)}): the planted and the recovered value, and whether they agree."
    tones = {"met": lambda text: {"met": "good", "not met": "bad"}.get(text, "quiet")}
    listed = table(every, caption, tones=tones, sources=sources, filters=("check", "met"), searchable=True)
    return [*blocks, listed]


def _rounded(value: Any) -> str:  # noqa: ANN401 - a number, or the name of a class
    number = pd.to_numeric(value, errors="coerce")
    return ("" if pd.isna(value) else str(value)) if pd.isna(number) else format_number(float(number))


def _dumbbells(every: pd.DataFrame) -> pd.DataFrame:
    """Choose the checks of the fraction of a state, with a label each, state by state."""
    pair = every[["planted", "recovered"]].apply(pd.to_numeric, errors="coerce")
    fits = (every["check"] == STATE_FRACTION) & every["entity"].isin(names.STATES) & pair.notna().all(axis=1)
    chosen = every[fits]
    where = chosen["environment"].fillna("").astype(str) + " " + chosen["timepoint"].fillna("").astype(str)
    label = chosen["entity"].map(labels.STATE_SHORT_NAMES) + ", " + where.str.strip()
    drawn: pd.DataFrame = pair[fits].assign(label=label)
    return drawn
