"""Clonal replacement in tumours after treatment, as rows of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from stietime import names
from stietime.cohort.clonotypes.kinds import KIND
from stietime.cohort.clonotypes.replacement import replacement
from stietime.cohort.clonotypes.rows import ALL_CELLS, row, too_few
from stietime.cohort.clonotypes.sharing import exact_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from stietime.cohort.clonotypes.replacement import Replacement
    from stietime.cohort.clonotypes.rows import Times

REPLACEMENT: Final = "replacement"
REPLACEMENT_OF_CLONES: Final = "replacement_of_clones"
NEW_FROM_BLOOD: Final = "new_from_blood"
NEW_FROM_BLOOD_OF_CLONES: Final = "new_from_blood_of_clones"
ALL_INDICES: Final = (REPLACEMENT, REPLACEMENT_OF_CLONES, NEW_FROM_BLOOD, NEW_FROM_BLOOD_OF_CLONES)


def replacement_rows(
    cells: pd.DataFrame, times: Times, sampled: Sequence[tuple[str, str]], min_cells: int
) -> Iterator[dict[str, Any]]:
    """Give the new clones of one patient's tumour after treatment, and those of them seen in blood before.

    Parameters
    ----------
    cells
        One row per cell of one patient, with `clone`, `kind`, `environment` and `timepoint`.
    times
        Words for before and after treatment.
    sampled
        Environment and time point of the patient's samples; without a tumour after treatment there is no
        row.
    min_cells
        With fewer cells with a clone in a sample nothing is testable of it.
    """
    if (names.TIME, times.after) not in sampled:
        return

    def _in(place: str, time: str) -> pd.DataFrame:
        return cells[(cells[names.ENVIRONMENT] == place) & (cells[names.TIMEPOINT] == time)]

    before, after = _in(names.TIME, times.before), _in(names.TIME, times.after)
    blood = _in(names.STIE, times.before)
    note = too_few(len(before), min_cells, "the tumour before") or too_few(
        len(after), min_cells, "the tumour after"
    )
    of_blood = too_few(len(blood), min_cells, "blood before")
    kinds = [ALL_CELLS, *sorted(set(after[KIND]))]
    for kind in kinds:
        own = after if kind == ALL_CELLS else after[after[KIND] == kind]
        why = note or too_few(len(own), min_cells, "the tumour after")
        found = replacement(before, own, blood)
        expected = found.expected if kind == ALL_CELLS else float("nan")
        for made in _rows(kind, found, expected, why, why or of_blood):
            yield {names.TIMEPOINT: times.after, **made}


def _rows(
    kind: str, found: Replacement, expected: float, note: str, note_of_blood: str
) -> Iterator[dict[str, Any]]:
    none_new = "" if found.n_new_cells else "no clone is new"
    whole: dict[str, Any] = {"n_clones": found.n_clones, "environment": names.TIME, "note": note}
    new: dict[str, Any] = {"n_clones": found.n_new_clones, "environment": names.TIME, "other": names.STIE}
    new["note"] = note_of_blood or none_new
    cells, clones, from_blood = found.n_new_cells, found.n_new_clones, found.n_clones_from
    yield row(kind, REPLACEMENT, _share(cells, found.n_cells), found.n_cells, expected=expected, **whole)
    whole["interval"] = exact_interval(clones, found.n_clones)
    yield row(kind, REPLACEMENT_OF_CLONES, _share(clones, found.n_clones), found.n_cells, **whole)
    yield row(kind, NEW_FROM_BLOOD, _share(found.n_cells_from, cells), cells, **new)
    new["interval"] = exact_interval(from_blood, clones)
    yield row(kind, NEW_FROM_BLOOD_OF_CLONES, _share(from_blood, clones), cells, **new)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
