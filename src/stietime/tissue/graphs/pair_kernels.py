"""Cells sorted into the squares of a grid, and what is counted over pairs of near cells, compiled with numba.

For a fixed radius the work grows with the number of cells, not with its square. Blocks of cells are counted
on threads; counts are integers, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# squares per radius: more follow the circle closer, fewer are quicker to walk through
_SQUARES_PER_RADIUS: Final = 3
_BLOCK: Final = 8192
_LOOKUP: Final = 4096


class Grid(NamedTuple):
    """Cells in the order of the squares of a grid.

    Parameters
    ----------
    x, y
        Micrometres from the smallest x and y, in the order of the grid.
    order
        Row of each of these cells before sorting.
    starts
        First cell of each square, row by row, and the end.
    n_columns, n_rows
        Number of squares.
    side
        Side of a square, micrometres.
    """

    x: Floats
    y: Floats
    order: Ints
    starts: Ints
    n_columns: int
    n_rows: int
    side: float


def sort_into_grid(positions: NDArray[np.floating], radius_um: float) -> Grid:
    """Sort cells into a grid that suits a radius.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; of any float type, computed with as float64.
    radius_um
        The radius that will be searched, micrometres.
    """
    places = np.asarray(positions, dtype=np.float64)
    places = places - places.min(axis=0)
    span = places.max(axis=0)
    side = radius_um / _SQUARES_PER_RADIUS
    # a cell far from all others must not cost squares without end
    side = max(side, float(np.sqrt(span[0] * span[1] / (8 * len(places) + 1024))), float(span.max()) / 1e6)
    side = side or 1.0
    columns, rows = (places / side).astype(np.int64).T
    n_columns, n_rows = int(columns.max()) + 1, int(rows.max()) + 1
    square = rows * n_columns + columns
    order = np.argsort(square, kind="stable")
    starts = np.zeros(n_columns * n_rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(square, minlength=n_columns * n_rows), out=starts[1:])
    x, y = np.ascontiguousarray(places[order].T)
    return Grid(x, y, order, starts, n_columns, n_rows, side)


def in_blocks[Found](work: Callable[[int, int], Found], n: int, n_threads: int) -> Iterator[Found]:
    """Do work on the cells from one place to another, some thousand at a time, and give what each found."""
    firsts = range(0, n, _BLOCK)
    with ThreadPoolExecutor(max(1, n_threads)) as pool:
        yield from pool.map(lambda first: work(first, min(first + _BLOCK, n)), firsts)


@numba.njit(nogil=True, cache=True)
def _rows_around(grid: Grid, y: float, radius: float) -> tuple[int, int]:
    """Give the first and the last row of squares that can hold a cell within the radius."""
    # a little wider, here and in a row, so that rounding never loses a cell at exactly the radius
    wide = radius * (1 + 1e-6) + 1e-9 * grid.side
    first = int((y - wide) / grid.side) if y > wide else 0
    return first, min(int((y + wide) / grid.side), grid.n_rows - 1)


@numba.njit(nogil=True, cache=True)
def _cells_in_row(grid: Grid, x: float, y: float, row: int, radius: float) -> tuple[int, int]:
    """Give the first cell, and the end, of the squares of a row that can hold a cell within the radius."""
    gap = max(row * grid.side - y, y - (row + 1) * grid.side, 0.0)
    half = np.sqrt(max(radius * radius - gap * gap, 0.0)) + 1e-6 * radius + 1e-9 * grid.side
    first = int((x - half) / grid.side) if x > half else 0
    last = min(int((x + half) / grid.side), grid.n_columns - 1)
    start = row * grid.n_columns
    return grid.starts[start + first], grid.starts[start + last + 1]


@numba.njit(nogil=True, cache=True)
def _count_near(grid: Grid, radius: float, first: int, end: int) -> Ints:
    """Count the other cells within the radius of each cell of a block."""
    x, y, most = grid.x, grid.y, radius * radius
    found = np.zeros(end - first, dtype=np.int64)
    for i in range(first, end):
        n = -1
        top, bottom = _rows_around(grid, y[i], radius)
        for row in range(top, bottom + 1):
            start, stop = _cells_in_row(grid, x[i], y[i], row, radius)
            for j in range(start, stop):
                dx, dy = x[j] - x[i], y[j] - y[i]
                if dx * dx + dy * dy <= most:
                    n += 1
        found[i - first] = n
    return found


@numba.njit(nogil=True, cache=True)
def _fill_near(
    grid: Grid, radius: float, first: int, end: int, indptr: Ints, indices: NDArray[np.int32]
) -> None:
    """Write the rows of the other cells within the radius of each cell of a block, in order."""
    x, y, order, most = grid.x, grid.y, grid.order, radius * radius
    for i in range(first, end):
        at = indptr[order[i]]
        here = at
        top, bottom = _rows_around(grid, y[i], radius)
        for row in range(top, bottom + 1):
            start, stop = _cells_in_row(grid, x[i], y[i], row, radius)
            for j in range(start, stop):
                dx, dy = x[j] - x[i], y[j] - y[i]
                if dx * dx + dy * dy <= most and j != i:
                    indices[at] = order[j]
                    at += 1
        indices[here:at].sort()


def near_cells(
    positions: NDArray[np.floating], radius_um: float, n_threads: int = 1
) -> tuple[Ints, NDArray[np.int32]]:
    """List the cells within a radius of every cell, the radius itself included.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    radius_um
        Largest distance, micrometres.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    Where each cell's list starts (cells + 1), and the lists, rows of cells in increasing order.
    """
    grid = sort_into_grid(positions, radius_um)
    n, radius = len(grid.x), float(radius_um)
    sizes = np.concatenate(list(in_blocks(lambda i, j: _count_near(grid, radius, i, j), n, n_threads)))
    indptr = np.zeros(n + 1, dtype=np.int64)
    indptr[grid.order + 1] = sizes
    np.cumsum(indptr, out=indptr)
    indices = np.empty(indptr[-1], dtype=np.int32)
    for _ in in_blocks(lambda i, j: _fill_near(grid, radius, i, j, indptr, indices), n, n_threads):
        pass
    return indptr, indices


class PairCounts(NamedTuple):
    """Pairs of cells by their types and the step of distance that they lie in.

    Parameters
    ----------
    counts
        Types x types x distances: ordered pairs further apart than the distance before and at most this one.
        Symmetric in the types; a pair within a type counts twice.
    n_edges
        Pairs of cells within each distance (cumulative), each once.
    n_adjacent
        Ordered pairs of different pairs within each distance that share a cell: the sum of k (k - 1).
    """

    counts: Ints
    n_edges: Ints
    n_adjacent: Ints


class _Steps(NamedTuple):
    """Squares of the distances, and the first step that each part of the largest square can lie in."""

    squares: Floats
    lookup: NDArray[np.int32]


@numba.njit(nogil=True, cache=True)
def _count_types(
    grid: Grid, codes: NDArray[np.int32], n_types: int, steps: _Steps, first: int, end: int
) -> tuple[Ints, Ints]:
    """Count pairs from the cells of a block to all cells, by types and step of distance."""
    x, y, squares, lookup = grid.x, grid.y, steps.squares, steps.lookup
    n_steps, most = len(squares), squares[-1]
    radius, scale = np.sqrt(most), (len(lookup) - 1) / most
    counts = np.zeros((n_types, n_types, n_steps), dtype=np.int64)
    sums, degree = np.zeros((2, n_steps), dtype=np.int64), np.zeros(n_steps, dtype=np.int64)
    for i in range(first, end):
        to = counts[codes[i]]
        top, bottom = _rows_around(grid, y[i], radius)
        for row in range(top, bottom + 1):
            start, stop = _cells_in_row(grid, x[i], y[i], row, radius)
            for j in range(start, stop):
                dx, dy = x[j] - x[i], y[j] - y[i]
                apart = dx * dx + dy * dy
                if apart <= most:
                    step = lookup[int(apart * scale)]
                    while apart > squares[step]:
                        step += 1
                    to[codes[j], step] += 1
                    degree[step] += 1
        to[codes[i], 0] -= 1  # itself, at distance 0
        degree[0] -= 1
        n = 0
        for step in range(n_steps):
            n += degree[step]
            degree[step] = 0
            sums[0, step] += n
            sums[1, step] += n * (n - 1)
    return counts, sums


def count_pairs(
    positions: NDArray[np.floating],
    codes: NDArray[np.integer],
    n_types: int,
    distances_um: NDArray[np.float64],
    n_threads: int = 1,
) -> PairCounts:
    """Count the pairs of cells by types and distance; no pair is ever held.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one field only.
    codes
        Type of every cell, 0 to `n_types` - 1.
    n_types
        Number of types.
    distances_um
        Increasing distances, micrometres, above 0; a pair at exactly a distance is within it.
    n_threads
        Threads; the result does not depend on them.
    """
    squares = np.asarray(distances_um, dtype=np.float64) ** 2
    grid = sort_into_grid(positions, float(distances_um[-1]))
    floor = np.arange(_LOOKUP) * (squares[-1] / (_LOOKUP - 1)) * (1 - 1e-12)
    lookup = np.minimum(np.searchsorted(squares, floor), len(squares) - 1).astype(np.int32)
    steps, there = _Steps(squares, lookup), codes[grid.order].astype(np.int32)
    counts = np.zeros((n_types, n_types, len(squares)), dtype=np.int64)
    sums = np.zeros((2, len(squares)), dtype=np.int64)
    found = in_blocks(lambda i, j: _count_types(grid, there, n_types, steps, i, j), len(grid.x), n_threads)
    for some, moments in found:
        counts += some
        sums += moments
    return PairCounts(counts, sums[0] // 2, sums[1])
