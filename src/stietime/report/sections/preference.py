"""Section of the cohort's report on tissue preference: which environment each kind of cell is found in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names
from stietime.cohort.composition.tissue_preference import MEAN, MOMENT
from stietime.cohort.design.designs import AFTER, BASELINE
from stietime.figures.preference import preference_matrix
from stietime.report import labels
from stietime.report.blocks import Block, Box
from stietime.report.design import environments
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import table

if TYPE_CHECKING:
    import pandas as pd

    from stietime.report.results import Results

COLUMNS = ("moment", "entity", "level", "parent", "environment", "patient", "log2_roe", "ci_low", "ci_high")
LEVELS = ("of_immune", "cell_type", "state")
MOMENTS = {BASELINE: "Before treatment", AFTER: "After treatment"}
MOST_DRAWN = 30


@section("preference", "Where each kind of cell is found")
def preference(results: Results) -> list[Block]:
    """Show the matrix of kinds of cells and environments, and the table behind it."""
    results.need(names.CELLS)
    every = results.table("tissue_preference", COLUMNS)
    means = every[(every["patient"] == MEAN) & every["level"].isin(LEVELS) & every["log2_roe"].notna()]
    means = means[means["entity"] != names.UNKNOWN]
    if means.empty:
        why = "No patient gave enough cells of two environments at the same time point."
        return [Box("note", "Nothing to compare", (why,))]
    moment = BASELINE if (means[MOMENT] == BASELINE).any() else AFTER
    return [_matrix(means[means[MOMENT] == moment], moment, results), _numbers(means, results)]


def _matrix(rows: pd.DataFrame, moment: str, results: Results) -> Block:
    parents = rows["parent"].fillna("").astype(str)
    told = [labels.measured_label(*pair) for pair in zip(rows["entity"], parents, strict=True)]
    rows = rows.assign(kind=told, sure=(rows["ci_low"] > 0) | (rows["ci_high"] < 0))
    rows = rows.drop_duplicates(["kind", "environment"])
    order = environments(rows)
    strength = rows["log2_roe"].abs().groupby(rows["kind"]).max().sort_values(ascending=False)
    drawn = rows[rows["kind"].isin(strength.index[:MOST_DRAWN])]
    shapes = {
        column: drawn.pivot_table(index="kind", columns="environment", values=column, aggfunc="first")
        for column in ("log2_roe", "sure", "n_patients")
    }
    by_last = shapes["log2_roe"].fillna(0)
    # from what the blood holds to what the tumour holds
    leading = names.TIME if names.TIME in by_last else order[0]
    kinds = by_last[leading].sort_values(ascending=False).index
    shapes = {column: shape.loc[kinds, order] for column, shape in shapes.items()}
    shapes["log2_roe"] = shapes["log2_roe"].rename(columns=labels.ENVIRONMENT_SHORT_NAMES)
    figure = preference_matrix(shapes["log2_roe"], shapes["sure"].fillna(value=False), shapes["n_patients"])
    n_sure = int(drawn.loc[drawn["sure"], "kind"].nunique())
    alt = (
        f"Observed over expected cells of {len(kinds)} kinds in {len(order)} environments; the intervals of "
        f"{n_sure} kinds leave 1 out somewhere."
    )
    facts = {"n": len(strength), "n_drawn": len(kinds), "moment": MOMENTS[moment]}
    return picture(figure, alt, caption_text("preference", **facts), (results.link("tissue_preference"),))


def _numbers(means: pd.DataFrame, results: Results) -> Block:
    shown = means.drop(columns=["patient"]).copy()
    shown["entity"] = shown["entity"].map(labels.label)
    shown["moment"] = shown["moment"].map(MOMENTS)
    return table(
        shown,
        f"Ro/e of {shown['entity'].nunique()} kinds of cells, means over patients.",
        headers={"log2_roe": "log2 Ro/e", "ci_low": "interval from", "ci_high": "to"},
        sources=(results.link("tissue_preference"),),
        folded=f"Show the numbers ({len(shown)} rows)",
        filters=("moment", "environment", "level"),
        searchable=True,
    )
