"""The cells that clones are followed through: their patient, place, time, type and clone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names

if TYPE_CHECKING:
    from collections.abc import Sequence

CLONE: Final = "clone"
KIND: Final = "kind"

# calls that split a type of T cells: a called cell is followed under the name of its state
STATES: Final = ("texp", "treg")
# a receptor in a cell of another lineage is a doublet more likely than a T cell of that lineage
T_LINEAGES: Final = ("t_cell", "nk", "lymphocyte", "immune", names.UNKNOWN)

# what becomes of a cell with a receptor
FOLLOWED: Final = "followed"
OTHER_LINEAGE: Final = "receptor in another lineage"


def kinds_of(cells: pd.DataFrame, states: Sequence[str] = STATES) -> pd.Series:
    """Give every cell one label: the called state, else the cell type.

    Parameters
    ----------
    cells
        One row per cell: cell_type and, as far as there are calls, is_<state>.
    states
        States that split their type, first come first served.
    """
    kinds = cells[names.CELL_TYPE].astype(object).copy()
    for state in reversed(states):
        column = names.call_column(state)
        if column in cells:
            kinds[cells[column].fillna(value=False).astype(bool)] = state
    return kinds.rename(KIND)


def follow(cells: pd.DataFrame, clones: pd.DataFrame) -> pd.DataFrame:
    """Choose the cells whose clones are followed.

    Parameters
    ----------
    cells
        One row per kept cell: cell, sample, patient, environment, timepoint, lineage, cell_type, is_<state>.
    clones
        One row per cell with a receptor: cell, clone (empty where it has none), status (why).

    Returns
    -------
    One row per kept cell with a receptor: cell, sample, patient, environment, timepoint, kind, clone and
    status, which is `followed` for those that count.
    """
    columns = [names.CELL, names.SAMPLE, names.PATIENT, names.ENVIRONMENT, names.LINEAGE]
    known = cells[columns].astype(object)
    time = cells[names.TIMEPOINT] if names.TIMEPOINT in cells else pd.Series("", index=cells.index)
    known = known.assign(**{names.TIMEPOINT: time.astype(object).fillna(""), KIND: kinds_of(cells)})
    joined = known.merge(clones[[names.CELL, CLONE, "status"]], on=names.CELL, how="inner")
    has_clone = joined[CLONE] != ""
    fits = joined[names.LINEAGE].isin(T_LINEAGES)
    joined.loc[has_clone & ~fits, "status"] = OTHER_LINEAGE
    joined.loc[has_clone & fits, "status"] = FOLLOWED
    return joined
