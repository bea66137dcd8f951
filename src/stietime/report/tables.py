"""Frames to tables of a page: numbers written for reading, raw values kept for sorting."""

from __future__ import annotations

import functools
import numbers
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stietime.report.blocks import Cell, Facts, Table, text_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stietime.report.blocks import Link

MISSING = "\N{EN DASH}"
P_VALUES = frozenset({"p", "q"})
LONG_TEXT = 26  # characters, beyond which a column is set in lines
WIDE_TEXT = 120  # and beyond which it is given more room


def format_number(value: float, *, whole: bool | None = None) -> str:
    """Write a number with three significant digits, whole numbers in full, a dash when missing.

    Parameters
    ----------
    value
        Any number; nan is missing.
    whole
        Whether the numbers beside it are whole too; by default as the number itself is.
    """
    if pd.isna(value):
        return MISSING
    if np.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    whole = float(value).is_integer() if whole is None else whole
    if whole and abs(value) < 1e12:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1e5 or 0 < size < 1e-3:
        return f"{value:.2e}"
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}"


def format_two_digits(value: float) -> str:
    """Write a number with two digits after the point, for columns that run from 0 to 1."""
    return MISSING if pd.isna(value) else f"{value:.2f}"


def format_p(value: float) -> str:
    """Write a p-value: three digits, never zero."""
    if pd.isna(value):
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def format_percent(value: float) -> str:
    """Write a fraction as percent."""
    return MISSING if pd.isna(value) else f"{100 * value:.1f} %"


def _number_cells(values: pd.Series, write: Callable[[float], str] | None) -> list[Cell]:
    known = values[np.isfinite(values.astype(float))]
    whole = bool((known == known.round()).all())
    write = write or functools.partial(format_number, whole=whole)
    return [Cell(write(value), "" if pd.isna(value) else float(value)) for value in values]


def _truth_cell(value: Any) -> Cell:  # noqa: ANN401 - a truth value or nothing
    if pd.isna(value):
        return Cell(MISSING, "")
    return Cell("yes", 1.0, tone="good") if value else Cell("no", 0.0, tone="bad")


def table(
    frame: pd.DataFrame,
    caption: str,
    *,
    headers: Mapping[str, str] | None = None,
    formats: Mapping[str, Callable[[float], str]] | None = None,
    links: Mapping[str, Callable[[Any], str]] | None = None,
    tones: Mapping[str, Callable[[Any], str]] | None = None,
    sources: Iterable[Link] = (),
    folded: str = "",
    filters: Sequence[str] = (),
    searchable: bool = False,
    more: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """Make a table of a page from a frame, columns in their order.

    Parameters
    ----------
    frame
        One row per row of the table.
    caption
        What the table shows, with n and units.
    headers
        Headings of columns; the column's name with spaces where there is none. Empty columns are left out.
    formats
        How the numbers of a column are written.
    links, tones
        For a column, the address or the tone of a field by its value.
    sources
        The tables of the results it is made from.
    folded
        Line that stands for the table until it is opened; empty to show it at once.
    filters
        Columns that get a choice of their values above the table.
    searchable
        Whether the table gets a field to search in.
    more
        For a column, what each of its fields opens: trusted HTML, or "" for none.
    """
    frame = frame.replace("", None).dropna(axis=1, how="all")
    names = {column: (headers or {}).get(column, column.replace("_", " ")) for column in frame.columns}
    columns = [
        _column(
            frame[column], str(column), formats or {}, (links or {}).get(column), (tones or {}).get(column)
        )
        for column in frame.columns
    ]
    for place, column in enumerate(frame.columns):
        opened = (more or {}).get(str(column), [""] * len(frame))
        columns[place] = [replace(c, more=m) for c, m in zip(columns[place], opened, strict=True)]
    styles = [_style(frame[column]) for column in frame.columns]
    return Table(
        caption=caption,
        headers=tuple(zip(names.values(), styles, strict=True)),
        rows=tuple(zip(*columns, strict=True)),
        sources=tuple(sources),
        folded=folded,
        filters=tuple(list(frame.columns).index(column) for column in filters if column in frame.columns),
        searchable=searchable,
    )


def _style(values: pd.Series) -> str:
    """Say how a column is set: numbers to the right, short text on one line, long text in lines."""
    if _is_number(values):
        return "num"
    longest = values.dropna().astype(str).str.len().max()
    return "wide" if longest > WIDE_TEXT else "long" if longest > LONG_TEXT else "plain"


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _column(
    values: pd.Series,
    name: str,
    formats: Mapping[str, Callable[[float], str]],
    link: Callable[[Any], str] | None,
    tone: Callable[[Any], str] | None,
) -> list[Cell]:
    if pd.api.types.is_bool_dtype(values):
        return [_truth_cell(value) for value in values]
    if _is_number(values):
        return _number_cells(values, formats.get(name) or (format_p if name in P_VALUES else None))
    return [
        text_cell(value, href=link(value) if link else "", tone=tone(value) if tone else "")
        for value in values
    ]


def facts_table(facts: Mapping[str, Any], caption: str, sources: Iterable[Link] = ()) -> Facts:
    """Make a list of names and values.

    Parameters
    ----------
    facts
        Values by name; numbers are written for reading.
    caption
        What the facts are about.
    sources
        The tables of the results they are from.
    """
    items = tuple(
        (name.replace("_", " "), _fact(value)) for name, value in facts.items() if not _is_empty(value)
    )
    return Facts(caption, items, tuple(sources))


def _is_empty(value: Any) -> bool:  # noqa: ANN401 - any value of a fact
    return value is None or value == "" or value != value  # noqa: PLR0124 - nan is not itself


def _fact(value: Any) -> str:  # noqa: ANN401 - any value of a fact
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return format_number(float(value)) if isinstance(value, numbers.Real) else str(value)
