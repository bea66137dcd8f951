"""Forest plots of combined effects: the states of the reviews, and what claims rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stietime import names
from stietime.cohort.meta_analysis.tables import COMBINED, ENTITY
from stietime.figures.meta_analysis import forest_of_cohorts
from stietime.report import labels
from stietime.report.blocks import Block, Heading
from stietime.report.contrast_labels import contrast_label, contrast_sides
from stietime.report.pictures import caption_text, picture
from stietime.report.sections.statistics import GENES, KIND_NAMES, UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    import pandas as pd

    from stietime.report.blocks import Link

MOST_ENTITIES = 6  # in one figure


def forests(
    contrasts: pd.DataFrame, rows: pd.DataFrame, claims: pd.DataFrame, sources: Sequence[Link]
) -> list[Block]:
    """Draw what was combined, contrast by contrast: the reviews' states first, then what claims rest on.

    Parameters
    ----------
    contrasts, rows, claims
        As `combine_rows` and `combine_claims` give them.
    sources
        Links to the tables.
    """
    combined = contrasts[contrasts["status"] == COMBINED]
    told = claims[claims["status"] == COMBINED].groupby(["contrast", "kind_tested", "entity_tested"])
    weighed: dict[Any, str] = {key: ", ".join(part["claim_id"]) for key, part in told}
    blocks: list[Block] = []
    for contrast, of in combined.groupby("contrast", sort=False):
        drawn = [
            block for kind in KIND_NAMES for block in _of_kind(of[of["kind"] == kind], rows, weighed, sources)
        ]
        if drawn:
            blocks += [Heading(contrast_label(str(contrast))), *drawn]
    return blocks


def _of_kind(
    part: pd.DataFrame, rows: pd.DataFrame, weighed: dict[Any, str], sources: Sequence[Link]
) -> Iterator[Block]:
    if part.empty:
        return
    claims = [weighed.get(tuple(key), "") for key in part[ENTITY].itertuples(index=False)]
    part = part.assign(claims=claims)
    fractions = part["kind"] == "cell_fraction"
    states = part[part["entity"].isin(names.STATES) & fractions]
    further = part["entity"].isin(names.CALLED_STATES) & fractions
    others = part[((part["claims"] != "") | further) & ~part.index.isin(states.index)]
    groups = {"the states of the reviews": states, "what claims rest on, and further states": others}
    if states.empty and others.empty:
        groups = {"no claim rests on these": part}
    for group, chosen in groups.items():
        if len(chosen):
            yield _forest(chosen, rows, group, sources)


def _forest(chosen: pd.DataFrame, rows: pd.DataFrame, group: str, sources: Sequence[Link]) -> Block:
    n = len(chosen)
    chosen = chosen.sort_values("p", kind="stable").head(MOST_ENTITIES)
    kind, contrast = str(chosen["kind"].iloc[0]), str(chosen["contrast"].iloc[0])
    parents = [""] * len(chosen) if kind == GENES else chosen["parent"].fillna("").astype(str)
    told = [labels.measured_label(*pair) for pair in zip(chosen["entity"], parents, strict=True)]
    chosen = chosen.assign(label=told, remark=[_remark(row) for row in chosen.to_dict("records")])
    of = rows.merge(chosen[[*ENTITY, "label"]], on=ENTITY)
    entered = of["weight"].notna()
    weight = (100 * of["weight"]).round().fillna(0).astype(int).astype(str) + " %"
    patients = "n = " + of["n_patients"].fillna(0).astype(int).astype(str)
    of = of.assign(remark=np.where(entered, patients + ", " + weight, of["why_left_out"]))
    figure = forest_of_cohorts(of, chosen, x_label=UNITS[kind], sides=contrast_sides(contrast))
    facts = {"kind": KIND_NAMES[kind], "group": group, "n": n, "n_drawn": len(chosen)}
    facts["claims"] = "; ".join(
        f"{label}: {ids}" for label, ids in zip(told, chosen["claims"], strict=True) if ids
    )
    alt = (
        f"{contrast_label(contrast)}, {KIND_NAMES[kind]}, {group}: forest plots of {len(chosen)} "
        "entities, a row per cohort."
    )
    return picture(figure, alt, caption_text("combined_forest", **facts), sources)


def _remark(row: dict[Any, Any]) -> str:
    q = "q < 0.001" if row["q"] < 0.001 else f"q = {row['q']:.2g}"
    return (
        f"k = {row['n_cohorts']}, n = {row['n_patients']}, {q}, I\N{SUPERSCRIPT TWO} {100 * row['i2']:.0f} % "
        f"[{100 * row['i2_low']:.0f}, {100 * row['i2_high']:.0f}], tau\N{SUPERSCRIPT TWO} {row['tau2']:.2g}"
    )
