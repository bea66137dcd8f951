"""Which cells or spots are neighbours: by radius, k nearest, Delaunay, or rings of a grid of spots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.spatial import Delaunay, QhullError, cKDTree

from stietime.errors import InputError
from stietime.tissue.graphs.graph import check_positions, radius_graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

RADIUS: Final = "radius"
NEAREST: Final = "nearest"
DELAUNAY: Final = "delaunay"
GRID: Final = "grid"
# between the first ring of a grid and the second: 1 and 1.41 pitches on squares, 1 and 1.73 on hexagons
_RING_PITCHES: Final = 1.2


@dataclass(frozen=True)
class Neighbours:
    """How neighbours are chosen.

    Parameters
    ----------
    kind
        radius, nearest, delaunay or grid.
    radius_um
        Largest distance in a radius graph, micrometres.
    n_nearest
        Number of nearest cells that a cell names.
    n_rings
        Number of rings of a grid of spots.
    max_edge_um
        Longest edge of nearest and Delaunay graphs, micrometres; across more there is no tissue.
    """

    kind: str = RADIUS
    radius_um: float = 30.0
    n_nearest: int = 6
    n_rings: int = 1
    max_edge_um: float = 50.0

    @property
    def reach_um(self) -> float:
        """The longest possible edge, micrometres; missing for a grid, whose pitch is measured."""
        return {RADIUS: self.radius_um, GRID: float("nan")}.get(self.kind, self.max_edge_um)

    def connect(
        self, positions: NDArray[np.float64], fields: NDArray[np.integer] | None = None, n_threads: int = 1
    ) -> csr_array:
        """Connect the cells of one section, never across fields of view.

        Parameters
        ----------
        positions
            Cells x 2, micrometres.
        fields
            Field of every cell, 0 and up; without it all cells lie in one.
        n_threads
            Threads of a radius graph; the graph does not depend on them.

        Returns
        -------
        Cells x cells, symmetric, ones for neighbours, no self loops; cells without a neighbour stay.

        Raises
        ------
        InputError
            See `stietime.tissue.graphs.graph.check_positions`; or the kind is not known.
        """
        check_positions(positions)
        if self.kind not in (RADIUS, NEAREST, DELAUNAY, GRID):
            what = f"there is no graph of the kind {self.kind!r}"
            raise InputError(what, "spatial.graph", "use radius, nearest, delaunay or grid")
        if fields is None:
            return self._connect_field(positions, n_threads)
        rows = [np.flatnonzero(fields == field) for field in np.unique(fields)]
        parts = [self._connect_field(positions[some], n_threads).tocoo() for some in rows]
        first = np.concatenate([some[part.row] for some, part in zip(rows, parts, strict=True)])
        second = np.concatenate([some[part.col] for some, part in zip(rows, parts, strict=True)])
        return _graph(first, second, len(positions))

    def _connect_field(self, positions: NDArray[np.float64], n_threads: int) -> csr_array:
        if self.kind == RADIUS:
            return radius_graph(positions, self.radius_um, n_threads)
        if self.kind == NEAREST:
            return nearest_graph(positions, self.n_nearest, self.max_edge_um)
        if self.kind == DELAUNAY:
            return delaunay_graph(positions, self.max_edge_um)
        return grid_graph(positions, self.n_rings)


def _graph(first: NDArray[np.integer], second: NDArray[np.integer], n: int) -> csr_array:
    """Make a symmetric graph of ones from pairs in any order and number."""
    both = np.concatenate([first, second]), np.concatenate([second, first])
    graph = csr_array(coo_array((np.ones(len(both[0]), dtype=np.int32), both), shape=(n, n)))
    graph.sum_duplicates()
    graph.data[:] = 1
    return graph


def nearest_graph(positions: NDArray[np.float64], n_nearest: int, max_edge_um: float) -> csr_array:
    """Connect every cell with its nearest cells; two are neighbours when either names the other.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one field only.
    n_nearest
        Number of cells that each cell names; all others where there are not as many.
    max_edge_um
        Cells further apart than this are no neighbours, micrometres.

    Returns
    -------
    Cells x cells, symmetric, ones for neighbours, no self loops.
    """
    n = len(positions)
    apart, near = cKDTree(positions).query(positions, k=np.arange(1, min(n_nearest + 1, n) + 1))
    cells = np.broadcast_to(np.arange(n)[:, None], near.shape)
    # cells at the same place may come before the cell itself
    named = (near != cells) & (apart <= max_edge_um)
    named &= np.cumsum(near != cells, axis=1) <= n_nearest
    return _graph(cells[named], near[named], n)


def delaunay_graph(positions: NDArray[np.float64], max_edge_um: float) -> csr_array:
    """Connect cells whose Voronoi cells touch, at most a distance apart.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one field only.
    max_edge_um
        Longest edge, micrometres: the triangulation also spans holes and the outside of the tissue.

    Returns
    -------
    Cells x cells, symmetric, ones for neighbours, no self loops. Cells at the very same place are neighbours,
    and fewer than three places, or places on one line, are joined in their order along it.
    """
    n = len(positions)
    places, at, sizes = np.unique(positions, axis=0, return_inverse=True, return_counts=True)
    try:
        corners = Delaunay(places).simplices if len(places) > 2 else np.empty((0, 3), dtype=int)
    except QhullError:
        corners = np.empty((0, 3), dtype=int)
    pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [0, 2]]])
    if not len(pairs):
        pairs = np.column_stack([np.arange(len(places) - 1), np.arange(1, len(places))])
    pairs = pairs[np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1) <= max_edge_um]
    between = _graph(pairs[:, 0], pairs[:, 1], len(places))
    if len(places) == n:
        return csr_array(between[at][:, at])
    there = csr_array((np.ones(n, dtype=np.int32), (np.arange(n), at)), shape=(n, len(places)))
    same = csr_array((sizes > 1).astype(np.int32) * there) @ there.T
    joined = coo_array(there @ between @ there.T + same)
    loop = joined.row == joined.col
    return _graph(joined.row[~loop], joined.col[~loop], n)


def grid_graph(positions: NDArray[np.float64], n_rings: int = 1) -> csr_array:
    """Connect spots of a square or hexagonal grid with the spots of the first rings around them.

    The pitch is the median distance to the nearest spot. Spots up to 1.2 pitches apart are the first ring (6
    on hexagons, 4 on squares); the spots that n such steps reach are the rings up to the n-th.

    Parameters
    ----------
    positions
        Spots x 2, micrometres; the spots of one section only.
    n_rings
        Number of rings.

    Returns
    -------
    Spots x spots, symmetric, ones for neighbours, no self loops.
    """
    n = len(positions)
    if n == 1:
        return csr_array((1, 1), dtype=np.int32)
    pitch = float(np.median(cKDTree(positions).query(positions, k=2)[0][:, 1]))
    ring = radius_graph(positions, _RING_PITCHES * pitch)
    reached = ring
    for _ in range(n_rings - 1):
        reached = coo_array(reached + reached @ ring)
        other = reached.row != reached.col
        reached = _graph(reached.row[other], reached.col[other], n)
    return reached
