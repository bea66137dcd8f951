"""What the cells within a distance of each cell express, summed by their type and distance; with numba.

Only cells that express something are sorted into a grid, and no pair is ever held, so time grows with the
number of cells times the number of expressing cells within the distance, and memory with the number of cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from stietime.tissue.graphs.pair_kernels import Grid, in_blocks, sort_into_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@numba.njit(nogil=True, cache=True)
def _sum_block(
    places: Floats,
    grid: Grid,
    values: Floats,
    rows: Ints,
    groups: Ints,
    squares: Floats,
    first: int,
    found: Floats,
) -> None:
    """Add up the values around each place of a block, into places x groups x bins of distance."""
    most = squares[-1]
    reach = np.sqrt(most) * (1 + 1e-6) + 1e-9 * grid.side
    for i in range(len(places)):
        x, y = places[i]
        left, right = int((x - reach) // grid.side), int((x + reach) // grid.side)
        bottom, top = int((y - reach) // grid.side), int((y + reach) // grid.side)
        left, right = max(left, 0), min(right, grid.n_columns - 1)
        if left > right:
            continue
        for row in range(max(bottom, 0), min(top, grid.n_rows - 1) + 1):
            start = row * grid.n_columns
            for j in range(grid.starts[start + left], grid.starts[start + right + 1]):
                dx, dy = grid.x[j] - x, grid.y[j] - y
                apart = dx * dx + dy * dy
                if apart <= most and rows[j] != first + i:
                    step = 0
                    while apart > squares[step]:
                        step += 1
                    found[i, groups[j], step] += values[j]


def sums_around(
    positions: NDArray[np.floating],
    values: Floats,
    groups: NDArray[np.integer],
    n_groups: int,
    distances_um: Floats,
    n_threads: int = 1,
) -> Floats:
    """Sum a value over the other cells around each cell, by their group and by bins of distance.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    values
        One value per cell, such as the expression of a receptor; cells with 0 cost nothing.
    groups
        Group of every cell, 0 to `n_groups` - 1, such as its type; cells below 0 are not summed.
    n_groups
        Number of groups.
    distances_um
        Increasing upper ends of the bins, micrometres; a cell at exactly a distance lies in its bin, and the
        first begins at 0.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    Cells x groups x bins. A cell is not around itself.
    """
    places = np.ascontiguousarray(positions, dtype=np.float64)
    squares = np.asarray(distances_um, dtype=np.float64) ** 2
    found = np.zeros((len(places), n_groups, len(squares)))
    has = np.flatnonzero((values != 0) & (groups >= 0))
    if not len(has):
        return found
    grid = sort_into_grid(places[has], float(distances_um[-1]))
    order = has[grid.order]
    own = places - places[has].min(axis=0)
    ours, theirs = np.asarray(values, dtype=np.float64)[order], np.asarray(groups, dtype=np.int64)[order]

    def _work(first: int, end: int) -> None:
        """Sum around the cells of a block, each block into rows of its own."""
        _sum_block(own[first:end], grid, ours, order, theirs, squares, first, found[first:end])

    for _ in in_blocks(_work, len(places), n_threads):
        pass
    return found
