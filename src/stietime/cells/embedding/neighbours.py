"""Nearest neighbours of cells, and the weighted graph that UMAP makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Points = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Vector = NDArray[np.float64]

# exact search takes 1.3 s for 20,000 cells on one core and grows with the square of their number
EXACT_UP_TO: Final = 20_000
# share of the true neighbours that an approximate search is set to find, on 500 cells of the cohort itself
RECALL: Final = 0.98
# rows whose weights are found together, a few megabytes
_BLOCK: Final = 8192
# UMAP's constants: rounds and tolerance of its bisection, its smallest width as a share of the mean distance
_ROUNDS: Final = 64
_TOLERANCE: Final = 1e-5
_MIN_WIDTH: Final = 1e-3


class Neighbours(NamedTuple):
    """Nearest neighbours of cells, the cell itself left out.

    Parameters
    ----------
    indices
        Rows of the neighbours, cells x k, the nearest first.
    distances
        Euclidean distances, cells x k, in the unit of the embedding.
    """

    indices: Rows
    distances: Vector


class NeighbourGraph(NamedTuple):
    """Cells joined to their nearest neighbours.

    Parameters
    ----------
    weights
        Symmetric weights, cells x cells, float32, between 0 and 1, with an empty diagonal.
    recall
        Share of the true neighbours that were found: 1 where the search was exact, otherwise measured on 500
        cells.
    """

    weights: csr_matrix
    recall: float


def nearest_neighbours(
    points: Points, k: int, *, rows: Rows | None = None, queries: Points | None = None
) -> Neighbours:
    """Find the k nearest cells by Euclidean distance, exactly.

    Parameters
    ----------
    points
        Embedding, cells x dimensions.
    k
        Number of neighbours; capped at the number of cells there are to be found.
    rows
        Cells whose neighbours are wanted, each left out of its own list; by default all.
    queries
        Other cells whose neighbours among the points are wanted, cells x dimensions, in place of `rows`.

    Returns
    -------
    Neighbours of the wanted cells, in their order.

    Raises
    ------
    ValueError
        There are fewer than two points, unless queries are given.
    """
    from sklearn.neighbors import NearestNeighbors

    n_found = min(k + (queries is None), len(points))
    search = NearestNeighbors(n_neighbors=n_found, algorithm="brute").fit(points)
    if queries is not None:
        distances, indices = search.kneighbors(queries)
        return Neighbours(indices.astype(np.int64), distances.astype(np.float64))
    _check_number(points)
    wanted = np.arange(len(points)) if rows is None else rows
    distances, indices = search.kneighbors(points[wanted])
    return _without_self(indices.astype(np.int64), distances.astype(np.float64), wanted)


def _check_number(points: Points) -> None:
    if len(points) < 2:
        message = f"neighbours need at least 2 cells, found {len(points)}"
        raise ValueError(message)


def _without_self(indices: Rows, distances: Vector, wanted: Rows) -> Neighbours:
    """Drop each cell from its own list; where duplicates pushed it out, drop the last instead."""
    is_self = indices == wanted[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    shape = (len(wanted), indices.shape[1] - 1)
    return Neighbours(indices[~is_self].reshape(shape), distances[~is_self].reshape(shape))


def approximate_neighbours(
    points: Points,
    k: int,
    *,
    queries: Points | None = None,
    recall: float = RECALL,
    seed: int = 1,
    n_threads: int = 1,
) -> tuple[Neighbours, float]:
    """Find nearly all of the k nearest cells, in time that grows little faster than their number.

    Parameters
    ----------
    points
        Embedding, cells x dimensions.
    k
        Number of neighbours; capped at the number of cells there are to be found.
    queries
        Cells whose neighbours among the points are wanted, cells x dimensions; by default the points,
        each left out of its own list.
    recall
        Share of the true neighbours that the search is set to find.
    seed
        Seed of the lists that are searched.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    Neighbours of the wanted cells, and the share of true ones measured on 500 of the points.

    Raises
    ------
    ValueError
        There are fewer than two points.
    """
    from stietime.cells.embedding.knn_graph import make_lists, search_lists

    _check_number(points)
    points = np.ascontiguousarray(points, dtype=np.float32)
    n_found = min(k + (queries is None), len(points))
    lists = make_lists(points, n_found, recall=recall, seed=seed, n_threads=n_threads)
    wanted = points if queries is None else np.ascontiguousarray(queries, dtype=np.float32)
    found = search_lists(lists, wanted, n_found, n_threads=n_threads)
    indices, distances = found.indices.astype(np.int64), np.sqrt(found.squared, dtype=np.float64)
    if queries is not None:
        return Neighbours(indices, distances), lists.recall
    return _without_self(indices, distances, np.arange(len(points))), lists.recall


def search_neighbours(
    points: Points,
    k: int,
    *,
    queries: Points | None = None,
    seed: int = 1,
    exact_up_to: int = EXACT_UP_TO,
    n_threads: int = 1,
) -> tuple[Neighbours, float]:
    """Find the k nearest cells: exactly among few, nearly all of them among many.

    Parameters
    ----------
    points, k, queries, seed, n_threads
        As `approximate_neighbours` takes them.
    exact_up_to
        Up to this number of points the search is exact.

    Returns
    -------
    Neighbours of the wanted cells, and the share of true ones: 1, or as measured on 500 of the points.

    Raises
    ------
    ValueError
        There are fewer than two points, unless queries are given.
    """
    if len(points) <= exact_up_to:
        return nearest_neighbours(points, k, queries=queries), 1.0
    return approximate_neighbours(points, k, queries=queries, seed=seed, n_threads=n_threads)


def neighbour_graph(
    embedding: Points, k: int, *, seed: int = 1, exact_up_to: int = EXACT_UP_TO, n_threads: int = 1
) -> NeighbourGraph:
    """Join cells to their nearest neighbours with the weights of UMAP (McInnes et al., arXiv 1802.03426).

    Parameters
    ----------
    embedding
        Cells x dimensions.
    k
        Number of neighbours; capped at the number of other cells.
    seed
        Seed of the approximate search.
    exact_up_to
        Up to this number of cells the search is exact, beyond it approximate.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    The graph, and how exact it is.

    Raises
    ------
    ValueError
        There are fewer than two cells.
    """
    found, recall = search_neighbours(embedding, k, seed=seed, exact_up_to=exact_up_to, n_threads=n_threads)
    return NeighbourGraph(_united(found.indices, memberships(found.distances)), recall)


def memberships(distances: Vector) -> NDArray[np.float32]:
    """Weigh each cell's neighbours as UMAP does: exp(-(d - nearest) / width).

    The width of a cell is such that its weights sum to log2(k + 1), UMAP's smooth distance; `nearest` is the
    distance to the nearest cell that is no duplicate.

    Parameters
    ----------
    distances
        Distances to the neighbours, cells x k, the nearest first.

    Returns
    -------
    Weights between 0 and 1, cells x k; those of the nearest neighbour and of duplicates are 1.
    """
    weights = np.empty(distances.shape, dtype=np.float32)
    smallest = _MIN_WIDTH * distances.sum() / (distances.size + len(distances))
    for start in range(0, len(distances), _BLOCK):
        block = distances[start : start + _BLOCK]
        nearest = np.where(block > 0, block, np.inf).min(axis=1)
        nearest[np.isinf(nearest)] = 0
        beyond = np.maximum(block - nearest[:, None], 0)
        # UMAP counts the cell itself, at no distance, in its means
        mean = block.sum(axis=1) / (block.shape[1] + 1)
        width = np.maximum(_widths(beyond), np.where(nearest > 0, _MIN_WIDTH * mean, smallest))
        positive = np.where(width > 0, width, 1.0)
        weights[start : start + _BLOCK] = np.exp(-beyond / positive[:, None])
    return weights


def _widths(beyond: Vector) -> Vector:
    """Find by bisection the width of each cell for which its weights sum to log2(k + 1)."""
    target = np.log2(beyond.shape[1] + 1)
    low, high = np.zeros(len(beyond)), np.full(len(beyond), np.inf)
    middle = np.ones(len(beyond))
    active = np.arange(len(beyond))
    for _ in range(_ROUNDS):
        sums = np.exp(-beyond[active] / middle[active, None]).sum(axis=1)
        off = np.abs(sums - target) >= _TOLERANCE
        active, above = active[off], sums[off] > target
        if not len(active):
            break
        high[active[above]] = middle[active[above]]
        low[active[~above]] = middle[active[~above]]
        unbounded = np.isinf(high[active])
        middle[active] = np.where(unbounded, 2 * middle[active], (low[active] + high[active]) / 2)
    return middle


def _united(indices: Rows, weights: NDArray[np.float32]) -> csr_matrix:
    """Join two cells when either is a neighbour of the other: the fuzzy union a + b - a * b."""
    from scipy import sparse

    n, k = indices.shape
    ends = np.arange(0, n * k + 1, k)
    directed = sparse.csr_matrix((weights.ravel(), indices.ravel(), ends), shape=(n, n))
    directed.eliminate_zeros()
    directed.sort_indices()
    reverse = directed.T.tocsr()
    both = directed.multiply(reverse)
    graph = sparse.csr_matrix(directed + reverse - both)
    graph.eliminate_zeros()
    return graph
