"""Batch-balanced neighbours: a graph in which every cell is joined to its nearest cells of each batch.

The peer that Harmony is compared with: no cell is moved, so there is no corrected embedding, only a graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import pandas as pd

from stietime.cells.neighbours import Neighbours, memberships

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Points = NDArray[np.float32]
    Rows = NDArray[np.int64]

# a cell keeps its heaviest edges, so many for each neighbour that it chose itself
TRIM_FACTOR: Final = 10


class NearestTo(Protocol):
    """Finds, for each of some queries, the k nearest of other points: indices and distances, queries x k."""

    def __call__(self, points: Points, queries: Points, k: int) -> Neighbours:
        """Return the neighbours, the nearest first; a query among the points is its own neighbour."""


def nearest_exactly(points: Points, queries: Points, k: int) -> Neighbours:
    """Find the k nearest points of each query by Euclidean distance, exactly.

    Parameters
    ----------
    points, queries
        Cells x dimensions.
    k
        Number of neighbours, at most that of the points.

    Returns
    -------
    Rows of `points`, and distances, queries x k, the nearest first.
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    distances, indices = search.kneighbors(queries)
    return Neighbours(indices.astype(np.int64), distances.astype(np.float64))


def balanced_neighbours(
    embedding: Points, batches: Sequence[str], k_per_batch: int = 3, *, search: NearestTo = nearest_exactly
) -> Neighbours:
    """Find the nearest cells of every batch for each cell (BBKNN, Polanski et al., Bioinformatics 2020).

    Parameters
    ----------
    embedding
        Uncorrected components, cells x dimensions.
    batches
        Batch of each cell.
    k_per_batch
        Neighbours in each batch; in a smaller batch all its cells. In its own batch a cell counts as one.
    search
        How neighbours are found; exact by default, whose time grows with the square of the cells.

    Returns
    -------
    Neighbours of every cell in all batches together, the nearest first, the cell itself left out.

    Raises
    ------
    ValueError
        A batch is missing, or the number of batches is not that of the cells.
    """
    labels = pd.Series(list(batches), dtype=object)
    if len(labels) != len(embedding) or labels.isna().any():
        message = f"expected one batch for each of {len(embedding)} cells, found {int(labels.notna().sum())}"
        raise ValueError(message)
    points = np.ascontiguousarray(embedding, dtype=np.float32)
    indices, distances = [], []
    for rows in labels.groupby(labels).indices.values():
        found = search(points[rows], points, min(k_per_batch, len(rows)))
        indices.append(rows[found.indices])
        distances.append(found.distances)
    joined, far = np.hstack(indices), np.hstack(distances)
    is_self = joined == np.arange(len(points))[:, None]
    # among more duplicates than neighbours, the nearest found stands for the cell itself
    missing = np.flatnonzero(~is_self.any(axis=1))
    is_self[missing, far[missing].argmin(axis=1)] = True
    order = np.argsort(np.where(is_self, -1, far), axis=1, kind="stable")[:, 1:]
    return Neighbours(np.take_along_axis(joined, order, axis=1), np.take_along_axis(far, order, axis=1))


def balanced_graph(found: Neighbours) -> csr_matrix:
    """Weigh batch-balanced neighbours as UMAP does and keep each cell's heaviest edges.

    Parameters
    ----------
    found
        As `balanced_neighbours` gives them.

    Returns
    -------
    Symmetric weights, cells x cells, float32, between 0 and 1, with an empty diagonal. A cell keeps at most
    ten times as many edges as it chose neighbours, an edge only where both of its cells keep it.
    """
    from scipy.sparse import csr_matrix

    n_cells, k = found.indices.shape
    ends = np.arange(0, n_cells * k + 1, k)
    chosen = csr_matrix(
        (memberships(found.distances).ravel(), found.indices.ravel(), ends), (n_cells, n_cells)
    )
    chosen_by = chosen.T.tocsr()
    # the fuzzy union, as UMAP joins neighbours
    united = csr_matrix(chosen + chosen_by - chosen.multiply(chosen_by), dtype=np.float32)
    return _trimmed(united, TRIM_FACTOR * (k + 1))


def _trimmed(graph: csr_matrix, n_kept: int) -> csr_matrix:
    """Drop edges that are lighter than the n-th heaviest of either of their cells."""
    graph.eliminate_zeros()
    least = np.zeros(graph.shape[0], dtype=graph.dtype)
    for row in np.flatnonzero(np.diff(graph.indptr) > n_kept):
        weights = graph.data[graph.indptr[row] : graph.indptr[row + 1]]
        least[row] = np.partition(weights, -n_kept)[-n_kept]
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    graph.data[(graph.data < least[rows]) | (graph.data < least[graph.indices])] = 0
    graph.eliminate_zeros()
    return graph
