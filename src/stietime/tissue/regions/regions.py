"""Tumour regions of a section, their boundary, and the distance of every cell to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from stietime.tissue.graphs.graph import n_neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

TUMOUR: Final = "tumour"
BOUNDARY: Final = "boundary"
STROMA: Final = "stroma"
# where the tumour share is half of its level inside, a straight edge of a solid tumour is found without bias
_INTERIOR_QUANTILE: Final = 0.75


def tumour_share(graph: csr_array, is_tumour: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute the share of tumour cells among every cell and its neighbours."""
    found = graph @ is_tumour.astype(float) + is_tumour
    return np.asarray(found / (n_neighbours(graph) + 1.0))


def find_tumour_regions(
    graph: csr_array, is_tumour: NDArray[np.bool_], *, min_share: float = 0.2, min_cells: int = 10
) -> NDArray[np.bool_]:
    """Find the cells, of any type, that lie inside tumour regions.

    A cell is inside when the tumour share around it is at least half of the level that the tumour's
    interior reaches (the upper quartile over tumour cells), and at least `min_share`. Half of the level, not
    half of all cells, so that a tumour that is full of immune cells is still a tumour region. Connected
    pieces with fewer than `min_cells` tumour cells are no regions.

    Parameters
    ----------
    graph
        Cells x cells, symmetric: the neighbourhood that is judged.
    is_tumour
        Which cells are tumour cells.
    min_share
        Smallest tumour share inside a region, 0 to 1.
    min_cells
        Smallest number of tumour cells of a region.

    Returns
    -------
    One truth value per cell; all false where there are no regions.
    """
    if not is_tumour.any():
        return np.zeros(len(is_tumour), dtype=bool)
    share = tumour_share(graph, is_tumour)
    cut = max(min_share, 0.5 * float(np.quantile(share[is_tumour], _INTERIOR_QUANTILE)))
    inside = share >= cut
    rows = np.flatnonzero(inside)
    _, piece = connected_components(graph[rows][:, rows], directed=False)
    large = np.bincount(piece, weights=is_tumour[rows]) >= min_cells
    inside[rows] = large[piece]
    return inside


def boundary_points(
    positions: NDArray[np.float64], inside: NDArray[np.bool_], max_gap_um: float
) -> NDArray[np.float64]:
    """Place the boundary half way between cells inside and the nearest cells outside, and the reverse.

    Only between adjacent cells: no third cell may lie in the circle that has the two as a diameter
    (neighbours in the Gabriel graph; Gabriel & Sokal 1969, Systematic Zoology 18, 259).

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    inside
        Which cells lie inside tumour regions.
    max_gap_um
        Largest distance of two cells that have boundary between them; across more there is no tissue.

    Returns
    -------
    Points x 2, micrometres; empty when all cells are on one side.
    """
    if inside.all() or not inside.any():
        return np.empty((0, 2))
    everywhere, points = cKDTree(positions), []
    for here, there in ((positions[inside], positions[~inside]), (positions[~inside], positions[inside])):
        apart, nearest = cKDTree(there).query(here, distance_upper_bound=max_gap_um)
        near = np.isfinite(apart)
        middle = (here[near] + there[nearest[near]]) / 2
        clearance, _ = everywhere.query(middle)
        points.append(middle[clearance >= apart[near] / 2 * (1 - 1e-9)])
    return np.unique(np.concatenate(points), axis=0)


def distance_to_boundary(
    positions: NDArray[np.float64], inside: NDArray[np.bool_], max_gap_um: float
) -> NDArray[np.float64]:
    """Measure how far every cell is from the nearest boundary of a tumour region.

    Parameters
    ----------
    positions, inside, max_gap_um
        See `boundary_points`.

    Returns
    -------
    Micrometres, negative inside tumour regions, positive outside; missing when there is no boundary.
    """
    points = boundary_points(positions, inside, max_gap_um)
    if not len(points):
        return np.full(len(positions), np.nan)
    distance, _ = cKDTree(points).query(positions)
    return np.asarray(np.where(inside, -distance, distance))


def name_regions(
    inside: NDArray[np.bool_], distance_um: NDArray[np.float64], boundary_um: float
) -> NDArray[np.object_]:
    """Name the region of every cell: tumour, boundary or stroma.

    Parameters
    ----------
    inside
        Which cells lie inside tumour regions.
    distance_um
        Signed distance to the boundary, micrometres; may be missing.
    boundary_um
        Cells within this distance of the boundary, on either side, belong to it.

    Returns
    -------
    One name per cell; missing everywhere when the section has no tumour region.
    """
    if not inside.any():
        return np.full(len(inside), None, dtype=object)
    names = np.where(inside, TUMOUR, STROMA).astype(object)
    names[np.abs(distance_um) <= boundary_um] = BOUNDARY
    return names
