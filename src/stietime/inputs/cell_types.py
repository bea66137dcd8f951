"""The authors' cell types under the names used here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names
from stietime.errors import InputError
from stietime.inputs.subset import as_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd


def given_cell_types(
    obs: pd.DataFrame, column: str, translation: Mapping[str, str], known: Collection[str], where: object
) -> pd.Series:
    """Translate the authors' cell types.

    Parameters
    ----------
    obs
        One row per cell.
    column
        The column that holds the authors' names; an empty cell is `unknown`.
    translation
        The authors' names, each with the name used here.
    known
        Names used here.
    where
        The file, for messages.

    Returns
    -------
    One name per cell.

    Raises
    ------
    InputError
        The column is missing, or a name has no translation and is not known itself.
    """
    if column not in obs.columns:
        what = (
            f"the column {column} with cell types is missing; the file has {', '.join(map(str, obs.columns))}"
        )
        raise InputError(what, where, "mend inputs.cell_type_column")
    texts = as_text(obs[column])
    given = texts.map(lambda name: translation.get(name, name or names.UNKNOWN))
    foreign = sorted(set(given) - set(known) - {names.UNKNOWN})
    if foreign:
        shown = ", ".join(repr(name) for name in foreign[:15]) + (", ..." if len(foreign) > 15 else "")
        what = f"{len(foreign)} cell types of the column {column} are not known here: {shown}"
        fix = "give each a name in inputs.cell_type_names: a set of the marker table, or unknown"
        raise InputError(what, where, fix)
    return given
