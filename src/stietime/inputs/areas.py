"""Areas of cells and nuclei in square micrometres, from the columns that the makers of sections write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

AREA: Final = "area_um2"
NUCLEUS_AREA: Final = "nucleus_area_um2"
# square micrometres, as Xenium, CosMx and a name with the unit mean them
IN_UM2: Final = {
    AREA: (AREA, "cell_area", "cell_area_um2", "Area.um2", "Area_um2"),
    NUCLEUS_AREA: (NUCLEUS_AREA, "nucleus_area", "Nucleus.Area.um2"),
}
# square pixels of the image that the positions are given in, as CosMx and segmentation software mean them
IN_UNITS: Final = {AREA: ("Area", "area"), NUCLEUS_AREA: ("NucArea", "nuclear_area")}


class Areas(NamedTuple):
    """Areas, one per cell and nan where there is none, and the column they are from."""

    um2: NDArray[np.float64]
    source: str


def find_areas(obs: pd.DataFrame, um_per_unit: float = 1.0) -> dict[str, Areas]:
    """Find the areas of cells and of nuclei.

    A column that is known to be in square micrometres is taken as it is and goes before one in square units
    of the positions, which is multiplied by the square of `um_per_unit`.

    Parameters
    ----------
    obs
        One row per cell, the file's own columns.
    um_per_unit
        Micrometres per unit of the positions.

    Returns
    -------
    `area_um2` and `nucleus_area_um2`, as far as there are numbers; an area that is not above zero is nan.
    """
    found = {}
    for name in (AREA, NUCLEUS_AREA):
        factors = dict.fromkeys(IN_UM2[name], 1.0) | dict.fromkeys(IN_UNITS[name], um_per_unit**2)
        for column in (column for column in factors if column in obs.columns):
            values = pd.to_numeric(obs[column], errors="coerce").to_numpy(dtype=np.float64)
            areas = np.where(np.isfinite(values) & (values > 0), values * factors[column], np.nan)
            if np.isfinite(areas).any():
                unit = "um2" if column in IN_UM2[name] else "square units of the positions"
                found[name] = Areas(areas, f"{column} ({unit})")
                break
    return found
