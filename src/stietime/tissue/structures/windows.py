"""What surrounds every cell: the composition of its nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from stietime.tissue.graphs.graph import check_positions

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Windows:
    """The composition around the cells of one section.

    Parameters
    ----------
    whole
        Cells x types, float32: shares of the types among the cells around; missing without enough of them.
    halves
        The same from every second neighbour (1st, 3rd, ...) and from the others: two that share no cell.
    """

    whole: NDArray[np.float32]
    halves: tuple[NDArray[np.float32], NDArray[np.float32]]

    @property
    def has_window(self) -> NDArray[np.bool_]:
        """Which cells have a window."""
        return np.isfinite(self.whole[:, 0]) if self.whole.shape[1] else np.zeros(len(self.whole), dtype=bool)


def windows(
    positions: NDArray[np.float64],
    codes: NDArray[np.integer],
    n_types: int,
    *,
    n_neighbours: int = 20,
    max_distance_um: float = 100.0,
) -> Windows:
    """Compute the composition of the nearest cells of known type around every cell, itself included.

    The windows of Schuerch et al. 2020 (Cell 182, 1341). A cell whose `n_neighbours` nearest cells of known
    type do not lie within `max_distance_um` has a smaller window, and none with fewer than a quarter of
    them.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one section only.
    codes
        Type of every cell, 0 to `n_types` - 1; negative for unknown, which is left out of every window.
    n_types
        Number of types.
    n_neighbours
        Cells in a window.
    max_distance_um
        Largest distance of a cell of the window, micrometres.

    Raises
    ------
    InputError
        See `stietime.tissue.graphs.graph.check_positions`.
    """
    check_positions(positions)
    known = np.flatnonzero(codes >= 0)
    if len(known) < n_neighbours:
        nothing = np.full((len(positions), n_types), np.nan, dtype=np.float32)
        return Windows(nothing, (nothing, nothing))
    distance, place = cKDTree(positions[known]).query(
        positions, k=n_neighbours, distance_upper_bound=max_distance_um
    )
    found = np.isfinite(distance)
    types = np.where(found, codes[known][np.minimum(place, len(known) - 1)], -1)
    enough = found.sum(axis=1) * 4 >= n_neighbours
    first, second = (_shares(types[:, start::2], n_types, enough) for start in (0, 1))
    return Windows(_shares(types, n_types, enough), (first, second))


def _shares(types: NDArray[np.integer], n_types: int, enough: NDArray[np.bool_]) -> NDArray[np.float32]:
    cell, _ = np.nonzero(types >= 0)
    kept = types[types >= 0]
    counts = csr_array((np.ones(len(kept), np.float32), (cell, kept)), shape=(len(types), n_types)).toarray()
    total = counts.sum(axis=1, keepdims=True)
    counts /= np.maximum(total, 1)
    counts[~enough] = np.nan
    return np.asarray(counts, dtype=np.float32)
