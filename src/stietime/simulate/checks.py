"""Planted beside recovered: what quality control, annotation and the calls of states got right.

Every function takes the joined table of `join_truth` and gives records with the columns of `COLUMNS`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from stietime import names, resources
from stietime.simulate.folder import state_parents
from stietime.simulate.reference import read_populations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Record = dict[str, Any]

COLUMNS: Final = (
    *("check", "entity", "environment", "timepoint", "planted", "recovered", "n", "met", "note"),
)
EVERYWHERE: Final = "all"
MIN_CELLS: Final = 20  # a lineage with fewer kept cells gets no row of its own
LEAST: Final = {  # smallest value that meets a check
    "survival": 0.9,
    "survival of ter_cell": 0.95,
    "survival of neutrophil": 0.95,
    "dying_recall": 0.8,
    "dying_precision": 0.8,
    "doublet_recall": 0.3,
    "lineage_accuracy": 0.9,
    "cell_type_accuracy": 0.8,
    "state_sensitivity": 0.5,
}
MOST: Final = {"doublet_false_calls": 0.05, "state_false_calls": 0.05, "red_cells_called_ter_cell": 0.01}


def record(
    check: str, entity: str, planted: object, recovered: object, n: int, *, met: bool, note: str = "",
    where: tuple[str, str] = (EVERYWHERE, EVERYWHERE),
) -> Record:  # fmt: skip
    """Make one record; `where` is (environment, timepoint)."""
    return dict(zip(COLUMNS, (check, entity, *where, planted, recovered, n, met, note), strict=True))


def join_truth(truth: pd.DataFrame, quality: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Join what was simulated with what was found, one row per simulated cell.

    Parameters
    ----------
    truth
        Index cell ids; sample, patient, environment, timepoint and the columns `source_true_*`.
    quality
        cell, keep, reason, is_doublet, of all cells.
    cells
        cell, lineage, cell_type, is_<state>, of the kept cells.

    Returns
    -------
    Index cell ids; the columns above, the true ones without `source_`; empty text and False where a cell was
    not kept.

    Raises
    ------
    ValueError
        The quality is not of the simulated cells, or the table of cells is not of those that were kept.
    """
    found = quality.set_index(names.CELL)[[names.KEEP, names.REASON, "is_doublet"]]
    calls = [names.call_column(state) for state in names.STATES]
    typed = cells.set_index(names.CELL)[[names.LINEAGE, names.CELL_TYPE, *calls]]
    if set(found.index) != set(truth.index) or set(typed.index) != set(found.index[found[names.KEEP]]):
        message = "the tables are not of the simulated cells: run the steps before this one again"
        raise ValueError(message)
    wanted = [names.SAMPLE, names.PATIENT, names.ENVIRONMENT, names.TIMEPOINT]
    true = [column for column in truth.columns if column.startswith(f"{names.SOURCE_PREFIX}true_")]
    table = truth[[*wanted, *true]].rename(columns=lambda column: column.removeprefix(names.SOURCE_PREFIX))
    table = table.astype(object).fillna("").join(found).join(typed)
    types = [names.LINEAGE, names.CELL_TYPE]
    table[types] = table[types].astype(object).fillna("")
    flags = [*calls, names.KEEP, "is_doublet"]
    return table.assign(**{flag: table[flag] == True for flag in flags})  # noqa: E712 - missing is not


@functools.cache
def _ancestors() -> Mapping[str, frozenset[str]]:
    """Every marker set with itself and all sets it is part of."""
    table = resources.read_markers().drop_duplicates("set_id")
    sets: dict[str, str] = dict(zip(table["set_id"], table["parent"], strict=True))
    found = {}
    for start, parent in sets.items():
        chain, name = [start], parent
        while name:
            chain.append(name)
            name = sets.get(name, "")
        found[start] = frozenset(chain)
    return found


def is_within(called: pd.Series, entity: str) -> pd.Series:
    """Say which called types are an entity or part of it, such as cdc1 of dc."""
    inside = {name for name in called.unique() if entity in _ancestors().get(name, {name})}
    return called.isin(inside)


def _share(check: str, entity: str, hits: pd.Series, note: str, *, limit: str = "") -> Iterator[Record]:
    """Give the share of hits, met by the limit of the check; nothing where there is no cell to look at."""
    if not len(hits):
        return
    value, key = float(hits.mean()), limit or check
    if key in LEAST:
        met, planted, demand = value >= LEAST[key], 1.0, f"at least {LEAST[key]:g}"
    else:
        met, planted, demand = value <= MOST[key], 0.0, f"at most {MOST[key]:g}"
    yield record(check, entity, planted, value, len(hits), met=met, note=f"{note}; met: {demand}")


def quality_records(table: pd.DataFrame) -> Iterator[Record]:
    """Check what quality control kept and dropped: living cells, dying cells, doublets.

    Parameters
    ----------
    table
        See `join_truth`.
    """
    kind, dropped = table["true_kind"], ~table[names.KEEP]
    living = table[kind == "cell"]
    ter = living["true_state"] == "ter_cell"
    note = "share of true single cells that are kept"
    yield from _share("survival", "ter_cell", living.loc[ter, names.KEEP], note, limit="survival of ter_cell")
    for lineage, part in living.groupby("true_lineage"):
        limit = f"survival of {lineage}" if f"survival of {lineage}" in LEAST else "survival"
        if len(part) >= MIN_CELLS:
            yield from _share("survival", str(lineage), part[names.KEEP], note, limit=limit)
    yield from _share(
        "dying_recall", "dying", dropped[kind == "dying"], "share of dying cells that are dropped"
    )
    blamed = table[dropped & ~table["is_doublet"] & (kind != "doublet")]
    note = "share of dying cells among the single cells that are dropped, not as doublets"
    yield from _share("dying_precision", "dying", blamed["true_kind"] == "dying", note)
    doublets = table[kind == "doublet"]
    partner = doublets["true_partner"].map(read_populations()["lineage"])
    apart = partner != doublets["true_lineage"]
    homotypic = (~doublets.loc[~apart, names.KEEP]).mean()
    note = f"share of doublets of two lineages that are dropped (of one lineage: {homotypic:.2f})"
    yield from _share("doublet_recall", "heterotypic", ~doublets.loc[apart, names.KEEP], note)
    note = "share of true single cells that are called doublets"
    yield from _share("doublet_false_calls", "cell", living["is_doublet"], note)


def annotation_records(table: pd.DataFrame) -> Iterator[Record]:
    """Check lineages and cell types of kept single cells; a finer name within the true type is right.

    Parameters
    ----------
    table
        See `join_truth`.
    """
    kept = table[table[names.KEEP] & (table["true_kind"] == "cell")]
    right = kept[names.LINEAGE] == kept["true_lineage"]
    note = "share of kept single cells with the true lineage"
    yield from _share("lineage_accuracy", EVERYWHERE, right, note)
    for lineage, part in right.groupby(kept["true_lineage"]):
        if len(part) >= MIN_CELLS:
            yield from _share("lineage_accuracy", str(lineage), part, note)
    wanted = kept["true_cell_type"].replace("red_cell", "erythroid")
    exact = pd.Series(data=False, index=kept.index)
    for cell_type in wanted.unique():
        at = wanted == cell_type
        exact[at] = is_within(kept.loc[at, names.CELL_TYPE], str(cell_type))
    note = "share of kept single cells with the true cell type, or a finer one within it"
    yield from _share("cell_type_accuracy", EVERYWHERE, exact, note)


def state_call_records(table: pd.DataFrame) -> Iterator[Record]:
    """Check the calls of states among kept single cells, and red cells against Ter cells.

    Parameters
    ----------
    table
        See `join_truth`.
    """
    kept = table[table[names.KEEP] & (table["true_kind"] == "cell")]
    for state, parent in state_parents().items():
        called, truly = kept[names.call_column(state)], kept["true_state"] == state
        note = "share of the kept cells in the state that are called"
        yield from _share("state_sensitivity", state, called[truly], note)
        inside = (kept["true_cell_type"] == parent) | (kept["true_lineage"] == parent)
        note = "share of the kept cells of the parent without the state that are called"
        yield from _share("state_false_calls", state, called[inside & ~truly], note)
    red = kept["true_cell_type"] == "red_cell"
    note = "share of the kept red cells that are called Ter cells"
    yield from _share("red_cells_called_ter_cell", "ter_cell", kept.loc[red, "is_ter_cell"], note)
