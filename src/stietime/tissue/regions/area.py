"""How much tissue lies where: a grid over one section, without its holes and what lies around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from stietime.tissue.graphs.graph import check_positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXEL_UM: Final = 10.0
CLOSE_UM: Final = 25.0  # gaps of up to twice this between cells are tissue
_MOST_PIXELS: Final = 16_000_000


@dataclass(frozen=True)
class TissueGrid:
    """The squares of a grid that are tissue.

    Parameters
    ----------
    centres
        Squares x 2, micrometres: their centres.
    pixel_um
        Side of a square, micrometres.
    """

    centres: NDArray[np.float64]
    pixel_um: float

    @property
    def pixel_mm2(self) -> float:
        """Area of one square in square millimetres."""
        return (self.pixel_um / 1000) ** 2

    @property
    def area_mm2(self) -> float:
        """Area of the tissue in square millimetres."""
        return len(self.centres) * self.pixel_mm2


def tissue_grid(
    positions: NDArray[np.float64], *, pixel_um: float = PIXEL_UM, close_um: float = CLOSE_UM
) -> TissueGrid:
    """Lay a grid over the cells and find the squares that are tissue.

    The squares that hold a cell are closed (dilated, then eroded by the same distance; Serra 1982, Image
    Analysis and Mathematical Morphology), so that gaps between neighbouring cells are tissue, holes wider
    than twice the distance are not, and the tissue does not grow beyond the edge of the section.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one section only.
    pixel_um
        Side of a square, micrometres; doubled until the grid has 16 million squares or fewer.
    close_um
        Distance by which the squares are closed, micrometres.

    Returns
    -------
    The tissue.

    Raises
    ------
    InputError
        See `stietime.tissue.graphs.graph.check_positions`.
    """
    check_positions(positions)
    extent = np.ptp(positions, axis=0) + 2 * close_um
    while np.prod(extent / pixel_um + 2) > _MOST_PIXELS:
        pixel_um *= 2
    # room for the dilation on every side, so that the erosion finds an outside
    margin = int(np.ceil(close_um / pixel_um)) + 1
    corner = positions.min(axis=0) - margin * pixel_um
    place = ((positions - corner) // pixel_um).astype(np.int64)
    holds_cell = np.zeros(place.max(axis=0) + margin + 2, dtype=bool)
    holds_cell[place[:, 0], place[:, 1]] = True
    steps = close_um / pixel_um
    near = ndimage.distance_transform_edt(~holds_cell) <= steps
    tissue = (ndimage.distance_transform_edt(near) > steps) | holds_cell
    return TissueGrid(corner + (np.argwhere(tissue) + 0.5) * pixel_um, pixel_um)
