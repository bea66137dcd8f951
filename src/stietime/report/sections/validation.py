"""Cell types beside the labels that the data came with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names
from stietime.cells.cell_types import LINEAGES, MIN_COVERAGE, SETS
from stietime.report.blocks import Block, Box, Heading
from stietime.report.labels import label
from stietime.report.pictures import caption_text
from stietime.report.tables import format_percent, format_two_digits, table

if TYPE_CHECKING:
    import pandas as pd

    from stietime.report.results import Results

ALL = "all"
LEVELS = {names.LINEAGE: "lineage", names.CELL_TYPE: "cell type"}


def untold_blocks(results: Results) -> list[Block]:
    """Say which cell types the genes of the data cannot tell; nothing when they can tell all.

    Parameters
    ----------
    results
        The results of a run.
    """
    if results.settings.annotation.method != "markers":
        return []
    rules = results.table("state_rules", ["set_id", "coverage"]).set_index("set_id")
    covered = rules["coverage"].reindex(list(SETS)).dropna()
    low = covered.index[covered < MIN_COVERAGE]
    found = {SETS[name][1] for name in covered.index[covered >= MIN_COVERAGE]}
    sought = {SETS[name][1] for name in covered.index}
    lineages = [label(lineage) for lineage in LINEAGES if lineage in sought - found]
    types = [label(name) for name in low if SETS[name][1] in found]
    lines = []
    if lineages:
        what = "Such cells become unknown, or are taken for another lineage"
        lines.append(f"Too few marker genes are in the data to find {', '.join(lineages)}. {what}.")
    if types:
        lines.append(
            f"Within their lineage, {', '.join(types)} cannot be told from the other types: less than "
            f"{MIN_COVERAGE:.0%} of their marker genes are in the data."
        )
    return [Box("note", "What these genes cannot tell", tuple(lines))] if lines else []


def validation_blocks(results: Results) -> list[Block]:
    """Show how far the cell types agree with the authors' labels; nothing where there are none.

    Parameters
    ----------
    results
        The results of a run.
    """
    # tables of an earlier run with other settings may still be there
    if not results.settings.compares_given_types or not results.has("annotation_scores"):
        return []
    scores = results.table("annotation_scores", ["level", "label", "n", "precision", "recall", "f1"])
    if scores.empty:
        return []
    return [Heading("Beside the authors' labels"), _scores(results, scores), _confusion(results)]


def disagreement_blocks(results: Results) -> list[Block]:
    """Show how far the types of a model or reference agree with those by markers; nothing by other methods.

    Parameters
    ----------
    results
        The results of a run.
    """
    if not results.settings.annotation.takes_over:
        return []
    columns = [names.LINEAGE, names.CELL_TYPE, "marker_lineage", "marker_cell_type"]
    types = results.table("cell_types", [names.CELL, *columns])
    same = types[names.LINEAGE].astype(str) == types["marker_lineage"].astype(str)
    counts = types[columns].astype(str).value_counts().rename("n").reset_index()
    counts["share"] = counts["n"] / counts.groupby(names.CELL_TYPE)["n"].transform("sum")
    counts.insert(0, "agree", counts[names.LINEAGE] == counts["marker_lineage"])
    for column in columns:
        counts[column] = _named(counts[column])
    caption = caption_text(
        "disagreement", n=len(types), agree=float(same.mean()), method=results.settings.annotation.method
    )
    headers = {"agree": "lineages agree", "marker_lineage": "lineage by markers"}
    listed = table(
        counts,
        caption,
        headers={**headers, "marker_cell_type": "cell type by markers"},
        formats={"share": format_percent},
        sources=(results.link("cell_types"),),
        filters=("agree",),
        searchable=True,
    )
    return [Heading("Beside the types by markers"), listed]


def _named(labels: pd.Series) -> pd.Series:
    return labels.map(lambda name: "all (means over labels)" if name == ALL else label(str(name)))


def _scores(results: Results, scores: pd.DataFrame) -> Block:
    frame = scores.assign(label=_named(scores["label"]), level=scores["level"].map(LEVELS))
    percent = dict.fromkeys(("precision", "recall", "f1", "accuracy"), format_percent)
    return table(
        frame,
        caption_text("validation_scores"),
        headers={"label": "authors' label", "n_unknown": "found to be unknown"},
        formats={**percent, "calibration_error": format_two_digits},
        sources=(results.link("annotation_scores"), results.link("annotation_calibration")),
    )


def _confusion(results: Results) -> Block:
    frame = results.table("annotation_confusion", ["level", "given", "found", "n", "share"])
    frame = frame.assign(
        level=frame["level"].map(LEVELS), given=_named(frame["given"]), found=_named(frame["found"])
    )
    return table(
        frame,
        caption_text("validation_confusion"),
        headers={"given": "authors' label", "found": "found here"},
        formats={"share": format_percent},
        sources=(results.link("annotation_confusion"),),
        folded="Show which labels are taken for which",
        filters=("level",),
        searchable=True,
    )
