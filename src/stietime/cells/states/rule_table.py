"""The table that says of every marker set how it was scored, and of every state how it was called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.scores.depth_confounding import LARGE
from stietime.cells.scores.signatures import negative_half_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

SCORE_RULES: Final = {
    "ucell": "score only: UCell of the positive genes minus UCell of the negative genes, -1 to 1",
    "aucell": "score only: AUCell of the positive genes minus AUCell of the negative genes, -1 to 1",
    "mean_difference": "score only: mean log expression of the positive genes minus that of genes of like "
    "expression in the sample, minus the same of the negative genes",
}
NOT_SCORED: Final = "not scored: too few of its positive genes are in the data"


def rule_table(
    coverage: pd.DataFrame,
    min_coverage: float,
    depth: pd.Series,
    calls: Mapping[str, Mapping[str, object]],
    *,
    score_method: str = "ucell",
) -> pd.DataFrame:
    """Put the rules of all sets into one table.

    Parameters
    ----------
    coverage
        One row per set, from `MarkerSets.coverage`.
    min_coverage
        A set with a smaller share of its positive genes in the data was not scored.
    depth
        Rank correlation of the scores of each scored set with the depth of the cells.
    calls
        For each state what differs from a set that is only scored: called, rule, threshold,
        threshold_without_gate, n_parent, n_called, note.
    score_method
        How sets were scored: a key of `SCORE_RULES`.

    Returns
    -------
    One row per set: set_id, parent, called, rule, threshold, threshold_without_gate (of cells that show no
    gate gene), n_parent, n_called (all empty for sets that are not called), coverage, negative_coverage,
    genes_missing, depth_correlation, note.
    """
    scored = (coverage["n_present"] > 0) & (coverage["coverage"] >= min_coverage)
    one_sided = scored & (coverage["n_negative"] > 0) & ~negative_half_counts(coverage, min_coverage)
    rows = []
    for (set_id, facts), is_scored in zip(coverage.iterrows(), scored, strict=True):
        row = {
            "set_id": set_id,
            "parent": facts["parent"],
            "called": False,
            "rule": SCORE_RULES[score_method],
            "threshold": np.nan,
            "threshold_without_gate": np.nan,
            "n_parent": pd.NA,
            "n_called": pd.NA,
            "coverage": round(float(facts["coverage"]), 3),
            "negative_coverage": round(float(facts["negative_coverage"]), 3),
            "genes_missing": facts["genes_missing"],
            "depth_correlation": depth.get(set_id, np.nan),
            "note": _note(is_scored, depth.get(set_id, np.nan)),
        }
        row |= dict(calls.get(str(set_id), {}))
        if one_sided[str(set_id)]:
            row["note"] = "; ".join(filter(None, [str(row["note"]), _one_sided(facts)]))
        rows.append(row)
    return pd.DataFrame(rows).astype({"n_parent": "Int64", "n_called": "Int64"})


def _one_sided(facts: pd.Series) -> str:
    present, n = round(facts["negative_coverage"] * facts["n_negative"]), facts["n_negative"]
    return f"its negative genes are left out of the score: {present} of {n} are in the data"


def _note(is_scored: bool, depth: float) -> str:  # noqa: FBT001 - what the note is about
    if not is_scored:
        return NOT_SCORED
    if abs(depth) >= LARGE:
        return f"the score follows the depth of the cells (rank correlation {depth:.2f})"
    return ""
