"""Contrasts whose arms cannot be told from a batch: they keep their numbers, and no verdict rests on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stietime.cohort.testing.contrasts import CONFOUNDED, TESTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

REASON: Final = "confounded"  # the column that says with what


def mark_confounded(table: pd.DataFrame, reasons: Mapping[str, str]) -> pd.DataFrame:
    """Give the tested rows of confounded contrasts the status `confounded`, and every row of them the reason.

    The reason stands in a column of its own, and before what the note says already, whose end others read.

    Parameters
    ----------
    table
        As `contrasts.compare` gives it.
    reasons
        The reason of each confounded contrast.
    """
    told = table["contrast"].map(dict(reasons)).fillna("").astype(str)
    joint = ((told != "") & (table["note"] != "")).map({True: "; ", False: ""})
    status = table["status"].mask((told != "") & (table["status"] == TESTED), CONFOUNDED)
    return table.assign(note=told + joint + table["note"], status=status, **{REASON: told})
