"""Which cells belong to an entity: the tree of the marker sets, applied to lineages and cell types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stietime import names

Mask = NDArray[np.bool_]
ALL: Final = "all"
IMMUNE: Final = "immune"


def call_columns(cells: pd.DataFrame) -> list[str]:
    """List the columns of a cell table that hold calls; one without a value is of a state not testable."""
    columns = [names.call_column(state) for state in names.CALLED_STATES]
    return [column for column in columns if column in cells.columns and cells[column].notna().any()]


@dataclass(frozen=True)
class Labels:
    """The distinct combinations of lineage, cell type and calls in a cohort.

    Parameters
    ----------
    table
        One row per combination, with `lineage`, `cell_type` and the columns `is_<state>`.
    sets
        The marker sets: index `set_id`, columns `parent` and `level`.
    """

    table: pd.DataFrame
    sets: pd.DataFrame

    def ancestors(self, name: str) -> list[str]:
        """Give a set, its parent, and so on up to the top."""
        found: list[str] = []
        while name and name not in found:
            found.append(name)
            name = str(self.sets["parent"].get(name, ""))
        return found

    @cached_property
    def _belongs_to(self) -> list[frozenset[str]]:
        pairs = zip(self.table[names.LINEAGE], self.table[names.CELL_TYPE], strict=True)
        return [frozenset((*self.ancestors(lineage), *self.ancestors(kind))) for lineage, kind in pairs]

    def members(self, entity: str) -> Mask:
        """Say which combinations belong to `all`, to a set at or above the type, or to a called state."""
        if entity in (ALL, ""):
            return np.ones(len(self.table), dtype=bool)
        column = names.call_column(entity)
        if column in self.table.columns:
            return self.table[column].to_numpy(dtype=bool)
        return self.of_type(entity)

    def of_type(self, entity: str) -> Mask:
        """Say which combinations belong to a set by their lineage or cell type, whatever was called."""
        return np.array([entity in found for found in self._belongs_to], dtype=bool)

    def immune_sets(self) -> list[str]:
        """List the sets below `immune` that some cell belongs to, by lineage or type."""
        found = frozenset().union(*self._belongs_to)
        return sorted(name for name in found - {IMMUNE} if IMMUNE in self.ancestors(name))

    def parent_of(self, entity: str) -> str:
        """Find the parent to count or score an entity in: the nearest ancestor whose cells are known.

        Where no cell belongs to a parent, the next one up is taken only if that parent's cells cannot be
        told: it is a state without a call, or the lineage above was left unresolved. Otherwise the parent
        was not seen, and what is counted or scored in it is not measured.

        Returns
        -------
        A set, or `all`.
        """
        for parent in self.ancestors(entity)[1:]:
            if self.members(parent).any() or not self._cannot_be_told(parent):
                return parent
        return ALL

    def _cannot_be_told(self, entity: str) -> bool:
        called = names.call_column(entity) in self.table.columns
        uncalled_state = self.sets["level"].get(entity, "") == "state" and not called
        return bool(uncalled_state or self.table[names.CELL_TYPE].isin(self.ancestors(entity)[1:]).any())

    def parent_of_call(self, state: str) -> str:
        """Find the parent of a called state: the nearest ancestor that holds every called cell."""
        called = self.members(state)
        if not called.any():
            return self.parent_of(state)
        holding = (a for a in self.ancestors(state)[1:] if not (called & ~self.members(a)).any())
        return next(holding, ALL)


def tally(cells: pd.DataFrame, sets: pd.DataFrame) -> tuple[Labels, pd.DataFrame, NDArray[np.integer]]:
    """Count the cells of each sample by lineage, cell type and calls.

    Parameters
    ----------
    cells
        One row per cell: sample, lineage, cell_type, is_<state>.
    sets
        The marker sets: index `set_id`, columns `parent` and `level`.

    Returns
    -------
    The distinct labels; the number of cells, samples x labels; and the label of each cell (its position).
    """
    keys = [names.LINEAGE, names.CELL_TYPE, *call_columns(cells)]
    labels = cells[keys].copy()
    for column in keys[:2]:
        labels[column] = labels[column].astype(str)
    for column in keys[2:]:
        labels[column] = labels[column].fillna(value=False).astype(bool)
    grouped = labels.groupby(keys, sort=True)
    codes = grouped.ngroup().to_numpy()
    table = labels.drop_duplicates().sort_values(keys).reset_index(drop=True)
    where, samples = pd.factorize(cells[names.SAMPLE].astype(str), sort=True)
    flat = np.bincount(where * len(table) + codes, minlength=len(samples) * len(table))
    counts = pd.DataFrame(flat.reshape(len(samples), len(table)), index=samples)
    return Labels(table, sets), counts, codes
