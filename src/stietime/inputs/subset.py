"""Choosing the rows of a shared file that belong to one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_SHOWN = 12


def as_text(column: pd.Series) -> pd.Series:
    """Turn a column into text: nothing for missing values, no `.0` behind whole numbers."""
    if pd.api.types.is_float_dtype(column.dtype):
        return column.map(lambda value: "" if pd.isna(value) else f"{value:.15g}").astype(object)
    if isinstance(column.dtype, pd.CategoricalDtype):  # text of each category once, as there may be many rows
        texts = [str(value) for value in column.cat.categories]
        return pd.Series(np.array([*texts, ""], dtype=object)[column.cat.codes], index=column.index)
    return column.astype(object).map(lambda value: "" if pd.isna(value) else str(value)).astype(object)


def parse_subset(text: str, where: object) -> dict[str, str]:
    """Read `column=value; column=value`.

    Raises
    ------
    InputError
        A part is not of this form.
    """
    chosen = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        column, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or not column:
            what = f"the subset {text!r} cannot be read at {part!r}"
            raise InputError(what, where, "write it as `column=value; column=value`")
        chosen[column] = value
    return chosen


def rows_of_subset(obs: pd.DataFrame, text: str, where: object) -> NDArray[np.intp]:
    """Find the rows whose columns hold the values of a subset.

    Parameters
    ----------
    obs
        One row per cell, the file's own columns.
    text
        Such as `Tissue=blood; Patient=p1`; all of it must hold. Empty means every row.
    where
        The file, for messages.

    Raises
    ------
    InputError
        A column is not there, or no row has the value: the values that are there are named.
    """
    keep = np.ones(len(obs), dtype=bool)
    for column, value in parse_subset(text, where).items():
        if column not in obs.columns:
            what = f"the subset needs the column {column}; the file has {', '.join(map(str, obs.columns))}"
            raise InputError(what, where, "mend the column `subset` of the sample sheet")
        texts = as_text(obs[column])
        left = texts[keep]
        keep &= (texts == value).to_numpy()
        if not keep.any():
            present = sorted(set(left), key=lambda found: (len(found), found))
            shown = ", ".join(present[:N_SHOWN]) + (", ..." if len(present) > N_SHOWN else "")
            what = f"no row has {column}={value} of the subset {text!r}; found {shown or 'no rows'}"
            raise InputError(what, where, "mend the column `subset` of the sample sheet")
    return np.flatnonzero(keep)
