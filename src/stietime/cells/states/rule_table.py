"""The table that says of every marker set how it was scored, and of every state how it was called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

SCORE_RULE: Final = "score only: UCell of the positive genes minus UCell of the negative genes, -1 to 1"
NOT_SCORED: Final = "not scored: too few of its positive genes are in the data"


def rule_table(
    coverage: pd.DataFrame, min_coverage: float, calls: Mapping[str, Mapping[str, object]]
) -> pd.DataFrame:
    """Put the rules of all sets into one table.

    Parameters
    ----------
    coverage
        One row per set, from `MarkerSets.coverage`.
    min_coverage
        A set with a smaller share of its positive genes in the data was not scored.
    calls
        For each state what differs from a set that is only scored: called, rule, threshold, n_parent,
        n_called, note.

    Returns
    -------
    One row per set: set_id, parent, called, rule, threshold, n_parent, n_called (both empty for sets that are
    not called), coverage, genes_missing, note.
    """
    scored = (coverage["n_present"] > 0) & (coverage["coverage"] >= min_coverage)
    rows = []
    for (set_id, facts), is_scored in zip(coverage.iterrows(), scored, strict=True):
        row = {
            "set_id": set_id,
            "parent": facts["parent"],
            "called": False,
            "rule": SCORE_RULE,
            "threshold": np.nan,
            "n_parent": pd.NA,
            "n_called": pd.NA,
            "coverage": round(float(facts["coverage"]), 3),
            "genes_missing": facts["genes_missing"],
            "note": "" if is_scored else NOT_SCORED,
        }
        rows.append(row | dict(calls.get(str(set_id), {})))
    return pd.DataFrame(rows).astype({"n_parent": "Int64", "n_called": "Int64"})
