"""The table of clonotypes: every index of every patient, with its n, or the reason why there is none."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from stietime import names
from stietime.cohort.clonotypes.depth_matched import expansion_rows
from stietime.cohort.clonotypes.kinds import CLONE, FOLLOWED, KIND
from stietime.cohort.clonotypes.replacement_rows import replacement_rows
from stietime.cohort.clonotypes.rows import COLUMNS, Times, row
from stietime.cohort.clonotypes.sharing_rows import sharing_rows
from stietime.cohort.clonotypes.startrac import (
    EXPANSION,
    INDICES,
    MIGRATION,
    pairwise_migration,
    pairwise_transition,
    startrac_indices,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]
PAIRWISE_MIGRATION: Final = "pairwise_migration"
PAIRWISE_TRANSITION: Final = "pairwise_transition"


def clonotype_table(
    cells: pd.DataFrame, patients: pd.DataFrame, *, min_cells: int, times: Times | None = None
) -> pd.DataFrame:
    """Give every index of every patient.

    Parameters
    ----------
    cells
        As `follow` gives them; those that are not followed count for nothing.
    patients
        One row per patient, environment and timepoint that was sampled, whether or not it has clones.
    min_cells
        With fewer cells with a clone a type or place is not testable in a patient.
    times
        Words for before and after treatment.

    Returns
    -------
    Columns of `COLUMNS`: patient, entity (`all`, or a type), index, value (empty where not testable), n
    (cells), and n_clones, timepoint, environment, other (the second type or environment), expected (by
    chance), ci_low, ci_high, note (why there is no value).
    """
    followed = cells[cells["status"] == FOLLOWED]
    rows: list[Row] = []
    for patient, own in _per_patient(followed, patients):
        at = patients[patients[names.PATIENT] == patient]
        sampled = list(dict.fromkeys(zip(at[names.ENVIRONMENT], at[names.TIMEPOINT], strict=True)))
        found = [
            *expansion_rows(own, sampled, min_cells),
            *_by_time(own, sampled, min_cells),
            *replacement_rows(own, times or Times(), sampled, min_cells),
        ]
        rows += [{names.PATIENT: patient, **made} for made in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _per_patient(cells: pd.DataFrame, patients: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    by = dict(iter(cells.groupby(names.PATIENT, sort=False, observed=True)))
    for patient in sorted(set(patients[names.PATIENT])):
        yield patient, by.get(patient, cells.iloc[:0])


def _by_time(cells: pd.DataFrame, sampled: list[tuple[str, str]], min_cells: int) -> Iterator[Row]:
    """Give what is told within one time point, so that treatment is no tissue and no type."""
    for time in sorted({time for _, time in sampled}):
        now = cells[cells[names.TIMEPOINT] == time]
        places = [place for place in names.ENVIRONMENTS if (place, time) in sampled]
        found = [made for pair in combinations(places, 2) for made in sharing_rows(now, *pair, min_cells)]
        found += _startrac_rows(now, places, min_cells) if len(now) else []
        yield from ({names.TIMEPOINT: time, **made} for made in found)


def _startrac_rows(cells: pd.DataFrame, places: list[str], min_cells: int) -> Iterator[Row]:
    table = startrac_indices(cells)
    for kind, found in table.iterrows():
        few = f"fewer than {min_cells} cells with a clone" if found["n"] < min_cells else ""
        for index in INDICES:
            note = few
            if index == EXPANSION and found["n_clones"] < 2:
                note = note or "all cells are of one clone"
            if index == MIGRATION and len(places) < 2:
                note = note or "only one environment was sampled"
            value = float(found[index])
            yield row(str(kind), index, value, found["n"], n_clones=found["n_clones"], note=note)
    enough = set(table.index[table["n"] >= min_cells])
    chosen = cells[cells[KIND].isin(enough)]
    for met in pairwise_migration(chosen).to_dict("records"):
        pair: dict[str, Any] = {
            "environment": met["first"],
            "other": met["second"],
            "n_clones": met["n_clones"],
        }
        note = "" if met["n"] else "no cell in either"
        yield row(str(met[KIND]), PAIRWISE_MIGRATION, met["value"], met["n"], note=note, **pair)
    for met in pairwise_transition(chosen).to_dict("records"):
        pair = {"other": met["second"], "n_clones": met["n_clones"]}
        yield row(str(met["first"]), PAIRWISE_TRANSITION, met["value"], met["n"], **pair)


def clone_sizes(cells: pd.DataFrame) -> pd.DataFrame:
    """Count the cells of every clone by environment, time point and type.

    Parameters
    ----------
    cells
        As `follow` gives them.

    Returns
    -------
    patient, clone, environment, timepoint, entity, n, one row for each combination that has a cell.
    """
    followed = cells[cells["status"] == FOLLOWED]
    keys = [names.PATIENT, CLONE, names.ENVIRONMENT, names.TIMEPOINT, KIND]
    sizes = followed[keys].astype(str).value_counts(sort=False).rename("n").reset_index()
    return sizes.sort_values(keys, ignore_index=True).rename(columns={KIND: "entity"})
