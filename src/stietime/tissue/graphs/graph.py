"""Which cells of one section are neighbours, and how much tissue they cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from stietime.errors import InputError
from stietime.tissue.graphs.pair_kernels import near_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_positions(positions: NDArray[np.floating]) -> None:
    """Check that positions can be measured between.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.

    Raises
    ------
    InputError
        There are no cells, there are not two columns, or a position is missing or infinite.
    """
    if positions.ndim != 2 or positions.shape[1] != 2 or not len(positions):
        what = f"positions have the shape {positions.shape}; expected cells x 2, one cell or more"
        raise InputError(what, "positions of a section", "give every cell of the section an x and a y")
    n_bad = int((~np.isfinite(positions).all(axis=1)).sum())
    if n_bad:
        what = f"{n_bad} of {len(positions)} cells have no position"
        raise InputError(what, "positions of a section", "drop these cells from the input or fill in x and y")


def radius_graph(positions: NDArray[np.float64], radius_um: float, n_threads: int = 1) -> csr_array:
    """Connect all cells of one section whose centres lie within a distance.

    Cells at exactly the distance are connected. Cells without a neighbour stay, with an empty row.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one section only.
    radius_um
        Largest distance between neighbours, micrometres.
    n_threads
        Threads; the graph does not depend on them.

    Returns
    -------
    Cells x cells, symmetric, ones for neighbours, no self loops.

    Raises
    ------
    InputError
        See `check_positions`.
    """
    check_positions(positions)
    starts, near = near_cells(positions, radius_um, n_threads)
    n = len(positions)
    if starts[-1] < np.iinfo(np.int32).max:
        starts = starts.astype(np.int32)
    graph = csr_array((np.ones(len(near), dtype=np.int32), near, starts), shape=(n, n))
    graph.has_sorted_indices = True
    return graph


def n_neighbours(graph: csr_array) -> NDArray[np.int64]:
    """Count the neighbours of every cell."""
    return np.asarray(np.diff(graph.indptr), dtype=np.int64)


def edges(graph: csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List every pair of neighbours once, as the rows of its first and of its second cell."""
    first = np.repeat(np.arange(graph.shape[0]), n_neighbours(graph))
    second = graph.indices.astype(np.int64)
    once = first < second
    return first[once], second[once]


def occupied_squares(positions: NDArray[np.float64], side_um: float = 50.0) -> NDArray[np.float64]:
    """Find the squares of a grid that hold a cell: the tissue, without its holes and what lies around it.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    side_um
        Side of a square, micrometres. The grid starts at the smallest x and y.

    Returns
    -------
    Squares x 2, the centre of each square that holds a cell or more. The area of the tissue is their number
    times the area of one.
    """
    corner = positions.min(axis=0)
    squares = np.unique(((positions - corner) // side_um).astype(np.int64), axis=0)
    return np.asarray(corner + (squares + 0.5) * side_um)
