"""Batch-balanced neighbours: a graph in which every cell is joined to its nearest cells of each batch.

The peer that Harmony is compared with: no cell is moved, so there is no corrected embedding, only a graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.embedding.neighbours import (
    EXACT_UP_TO,
    NeighbourGraph,
    Neighbours,
    memberships,
    search_neighbours,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Points = NDArray[np.float32]
    Rows = NDArray[np.int64]

# a cell keeps its heaviest edges, so many for each neighbour that it chose itself
TRIM_FACTOR: Final = 10


def balanced_neighbours(
    embedding: Points,
    batches: Sequence[str],
    k_per_batch: int = 3,
    *,
    seed: int = 1,
    exact_up_to: int = EXACT_UP_TO,
    n_threads: int = 1,
) -> tuple[Neighbours, float]:
    """Find the nearest cells of every batch for each cell (BBKNN, Polanski et al., Bioinformatics 2020).

    Parameters
    ----------
    embedding
        Uncorrected components, cells x dimensions.
    batches
        Batch of each cell.
    k_per_batch
        Neighbours in each batch; in a smaller batch all its cells. In its own batch a cell counts as one.
    seed
        Seed of the approximate search.
    exact_up_to
        In batches of up to this number of cells the search is exact, in larger ones approximate.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    Neighbours of every cell in all batches together, the nearest first, the cell itself left out; and the
    share of true ones in the batch where it is lowest.

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
    indices, distances, recalls = [], [], []
    for rows in labels.groupby(labels).indices.values():
        found, recall = search_neighbours(
            points[rows],
            k_per_batch,
            queries=points,
            seed=seed,
            exact_up_to=exact_up_to,
            n_threads=n_threads,
        )
        indices.append(rows[found.indices])
        distances.append(found.distances)
        recalls.append(recall)
    joined, far = np.hstack(indices), np.hstack(distances)
    is_self = joined == np.arange(len(points))[:, None]
    # among more duplicates than neighbours, the nearest found stands for the cell itself
    missing = np.flatnonzero(~is_self.any(axis=1))
    is_self[missing, far[missing].argmin(axis=1)] = True
    order = np.argsort(np.where(is_self, -1, far), axis=1, kind="stable")[:, 1:]
    kept = Neighbours(np.take_along_axis(joined, order, axis=1), np.take_along_axis(far, order, axis=1))
    return kept, min(recalls)


def balanced_graph(
    embedding: Points, batches: Sequence[str], k_per_batch: int = 3, *, seed: int = 1, n_threads: int = 1
) -> NeighbourGraph:
    """Join cells to their nearest neighbours of every batch, with the weights of UMAP.

    Parameters
    ----------
    embedding, batches, k_per_batch, seed, n_threads
        As `balanced_neighbours` takes them.

    Returns
    -------
    The graph, and how exact it is. A cell keeps at most ten times as many edges as it chose neighbours, the
    heaviest, and an edge only where both of its cells keep it.

    Raises
    ------
    ValueError
        A batch is missing, or the number of batches is not that of the cells.
    """
    found, recall = balanced_neighbours(embedding, batches, k_per_batch, seed=seed, n_threads=n_threads)
    return NeighbourGraph(_weighed(found), recall)


def _weighed(found: Neighbours) -> csr_matrix:
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
