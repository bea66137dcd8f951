"""Rows of the table of clonotypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from stietime import names

ALL_CELLS: Final = "all"
COLUMNS: Final = (
    names.PATIENT,
    "entity",
    "index",
    "value",
    "n",
    "n_clones",
    names.TIMEPOINT,
    names.ENVIRONMENT,
    "other",
    "expected",
    "expected_sd",
    "ci_low",
    "ci_high",
    "note",
)
NAN: Final = float("nan")


@dataclass(frozen=True)
class Times:
    """The words of the sample sheet for time points.

    Parameters
    ----------
    before, after
        Before and after treatment.
    """

    before: str = "before"
    after: str = "after"


def row(
    entity: str,
    index: str,
    value: float,
    n: int,
    *,
    n_clones: int = 0,
    environment: str = "",
    other: str = "",
    expected: float = NAN,
    expected_sd: float = NAN,
    interval: tuple[float, float] = (NAN, NAN),
    note: str = "",
) -> dict[str, Any]:
    """Make a row; with a note it has no value, only the numbers that say why.

    Parameters
    ----------
    entity
        `all`, or the type of cell.
    index
        Name of the index.
    value
        Its value.
    n, n_clones
        Cells and clones it rests on.
    environment, other
        The place or pair of places; for a pair of types `other` is the second type.
    expected, expected_sd
        What chance would give, and its standard deviation where it is known.
    interval
        Exact interval of a share of clones.
    note
        Why the index is not testable; empty where it is.
    """
    if note:
        value, expected, expected_sd, interval = NAN, NAN, NAN, (NAN, NAN)
    return {
        "entity": entity,
        "index": index,
        "value": value,
        "n": int(n),
        "n_clones": int(n_clones),
        names.ENVIRONMENT: environment,
        "other": other,
        "expected": expected,
        "expected_sd": expected_sd,
        "ci_low": interval[0],
        "ci_high": interval[1],
        "note": f"not testable: {note}" if note else "",
    }


def too_few(n: int, min_cells: int, where: str) -> str:
    """Say that a place has too few cells with a clone; nothing where it has enough."""
    if n >= min_cells:
        return ""
    return f"{n} cell{'' if n == 1 else 's'} with a clone in {where}, {min_cells} needed"
