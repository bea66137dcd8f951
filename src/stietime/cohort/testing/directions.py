"""Whether two changes go the same way, such as those of blood and tumour under treatment."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from stietime.cohort.testing.contrasts import TESTED

SAME: Final = "same direction"
OPPOSITE: Final = "opposite directions"
FIRST_ONLY: Final = "first only"
SECOND_ONLY: Final = "second only"
NEITHER: Final = "neither shown to change"
UNTESTED: Final = "not testable"
READINGS: Final = (SAME, OPPOSITE, FIRST_ONLY, SECOND_ONLY, NEITHER, UNTESTED)
_NUMBERS: Final = ("estimate", "ci_low", "ci_high", "q", "n_patients")


def read_directions(
    contrasts: pd.DataFrame, *, first: str, second: str, difference: str, alpha: float
) -> pd.DataFrame:
    """Set two changes of every entity side by side, and say how they relate.

    A change counts where its q is at most `alpha`. That only one of two counts does not show that they
    differ: the difference of the differences does, and stands beside them.

    Parameters
    ----------
    contrasts
        As `contrasts.compare` gives it.
    first, second
        Names of the contrasts after against before, such as those of tumour and blood.
    difference
        Name of the contrast first less second; may be missing in the table.
    alpha
        Level of q.

    Returns
    -------
    One row per kind and entity that either contrast lists: kind, entity, parent, reading (one of `READINGS`),
    and estimate, ci_low, ci_high, q, n_patients of each with the endings `_first`, `_second`, `_difference`.
    Empty where either contrast is missing.
    """
    keys = ["kind", "entity"]
    parts = {
        ending: contrasts[contrasts["contrast"] == name].set_index(keys)
        for ending, name in (("first", first), ("second", second), ("difference", difference))
    }
    one, other = parts["first"], parts["second"]
    both = one.index.intersection(other.index, sort=False)
    table = pd.DataFrame(index=both)
    table["parent"] = one["parent"].reindex(both) if "parent" in one else ""
    tested = [_is_tested(part.reindex(both)) for part in (one, other)]
    moved = [
        (part["q"].reindex(both) <= alpha) & known for part, known in zip((one, other), tested, strict=True)
    ]
    alike = np.sign(one["estimate"].reindex(both)) == np.sign(other["estimate"].reindex(both))
    conditions = [
        ~(tested[0] & tested[1]),
        moved[0] & moved[1] & alike,
        moved[0] & moved[1],
        moved[0],
        moved[1],
    ]
    readings = [UNTESTED, SAME, OPPOSITE, FIRST_ONLY, SECOND_ONLY]
    table["reading"] = np.select(conditions, readings, NEITHER) if len(both) else ""
    for ending, part in parts.items():
        for column in _NUMBERS:
            table[f"{column}_{ending}"] = part[column].reindex(both)
    return table.reset_index()


def _is_tested(rows: pd.DataFrame) -> pd.Series:
    known = rows["p"].notna()
    return known & (rows["status"] == TESTED) if "status" in rows else known
