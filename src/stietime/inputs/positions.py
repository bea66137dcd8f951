"""Positions of cells in micrometres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def positions_um(
    obs: pd.DataFrame,
    stored: NDArray[np.float64] | None,
    where: object,
    *,
    x_column: str = "x",
    y_column: str = "y",
    um_per_unit: float = 1.0,
) -> NDArray[np.float64]:
    """Find the positions of cells and turn them into micrometres.

    Parameters
    ----------
    obs
        One row per cell; its two columns are used when both are there, as they were named on purpose.
    stored
        Cells x 2 positions to use otherwise, such as `obsm["spatial"]`.
    where
        The file, for messages.
    x_column, y_column
        Columns with the horizontal and the vertical position.
    um_per_unit
        Micrometres per unit of the positions.

    Returns
    -------
    Cells x 2: x, y in micrometres.

    Raises
    ------
    InputError
        There are no positions, or some are not numbers.
    """
    fix = "set inputs.x_column and inputs.y_column in the configuration"
    if x_column in obs.columns and y_column in obs.columns:
        columns = [pd.to_numeric(obs[column], errors="coerce") for column in (x_column, y_column)]
        found = np.column_stack([column.to_numpy(dtype=np.float64) for column in columns])
    elif stored is not None and stored.ndim == 2 and stored.shape[1] == 2:
        found = np.asarray(stored, dtype=np.float64)
    else:
        missing = [column for column in (x_column, y_column) if column not in obs.columns]
        what = f"there are no positions: no column {' and no column '.join(missing)}"
        what += f"; the file has {', '.join(map(str, obs.columns)) or 'no columns'}"
        raise InputError(what, where, fix)
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(bad):
        what = f"{len(bad)} of {len(found)} cells have no position, such as {obs.index[bad[0]]}"
        raise InputError(what, where, f"give every cell a number for both, or {fix}")
    return found * um_per_unit
