"""Nearest neighbours of cells, the fuzzy graph of UMAP, and its layout in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float32]
    Vector = NDArray[np.float64]

# exact search takes about 9 s for 50,000 cells on one core and grows with the square of their number
EXACT_UP_TO: Final = 50_000
# UMAP's own rule draws small data with more epochs; beyond this number of cells 200 suffice
MANY_EPOCHS_UP_TO: Final = 2_000


class Neighbours(NamedTuple):
    """Nearest neighbours of cells, the cell itself left out.

    Parameters
    ----------
    indices
        Rows of the neighbours, cells x k, the nearest first.
    distances
        Euclidean distances, cells x k, in the unit of the embedding.
    """

    indices: NDArray[np.int64]
    distances: Vector


def nearest_neighbours(
    points: Points,
    k: int,
    *,
    rows: NDArray[np.int64] | None = None,
    seed: int = 1,
    n_threads: int = 1,
    exact_up_to: int = EXACT_UP_TO,
) -> Neighbours:
    """Find the k nearest other cells by Euclidean distance.

    Parameters
    ----------
    points
        Embedding, cells x dimensions.
    k
        Number of neighbours; capped at the number of other cells.
    rows
        Cells whose neighbours are wanted; by default all.
    seed
        Seed of the approximate search.
    n_threads
        Threads of the approximate search; the exact one takes OMP_NUM_THREADS.
    exact_up_to
        Up to this number of cells the search is exact, beyond it approximate (NN-descent).

    Returns
    -------
    Neighbours of the wanted cells, in their order.

    Raises
    ------
    ValueError
        There are fewer than two cells.
    """
    if len(points) < 2:
        message = f"neighbours need at least 2 cells, found {len(points)}"
        raise ValueError(message)
    k = min(k, len(points) - 1)
    wanted = np.arange(len(points)) if rows is None else rows
    data = np.ascontiguousarray(points, dtype=np.float32)
    if len(data) > exact_up_to:
        indices, distances = _approximate(data, k + 1, wanted, seed, n_threads)
    else:
        indices, distances = _exact(data, k + 1, wanted)
    return _without_self(indices, distances, wanted)


def _exact(data: Points, k: int, wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], Vector]:
    from sklearn.neighbors import NearestNeighbors

    distances, indices = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(data).kneighbors(data[wanted])
    return indices.astype(np.int64), distances.astype(np.float64)


def _approximate(
    data: Points, k: int, wanted: NDArray[np.int64], seed: int, n_threads: int
) -> tuple[NDArray[np.int64], Vector]:
    from pynndescent import NNDescent

    index = NNDescent(data, n_neighbors=k, random_state=seed, n_jobs=n_threads, low_memory=True)
    indices, distances = index.neighbor_graph
    return indices[wanted].astype(np.int64), distances[wanted].astype(np.float64)


def _without_self(indices: NDArray[np.int64], distances: Vector, wanted: NDArray[np.int64]) -> Neighbours:
    """Drop each cell from its own list; where duplicates pushed it out, drop the last instead."""
    is_self = indices == wanted[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    shape = (len(wanted), indices.shape[1] - 1)
    return Neighbours(indices[~is_self].reshape(shape), distances[~is_self].reshape(shape))


def _bandwidths(distances: Vector, nearest: Vector, target: float, n_rounds: int = 64) -> Vector:
    """Solve sum(exp(-(d - nearest) / bandwidth)) = target for each cell by bisection."""
    beyond = np.maximum(distances - nearest[:, None], 0)
    low, high = np.zeros(len(distances)), np.full(len(distances), np.inf)
    bandwidth = np.ones(len(distances))
    for _ in range(n_rounds):
        too_large = np.exp(-beyond / bandwidth[:, None]).sum(axis=1) > target
        high = np.where(too_large, bandwidth, high)
        low = np.where(too_large, low, bandwidth)
        bandwidth = np.where(np.isinf(high), 2 * low, (low + high) / 2)
    means = distances.sum(axis=1) / (distances.shape[1] + 1)  # the cell itself, at distance 0, counts
    floor = 1e-3 * np.where(nearest > 0, means, means.mean())
    return np.asarray(np.maximum(bandwidth, np.maximum(floor, np.finfo(float).tiny)))


def connectivities(neighbours: Neighbours) -> sparse.csr_matrix:
    """Weigh the neighbours as UMAP does (McInnes et al., arXiv 1802.03426, sections 3.1 and 4).

    With rho the distance of the nearest neighbour apart from duplicates and sigma such that the weights
    exp(-max(0, d - rho) / sigma) of the k neighbours sum to log2(k + 1), the directed weights a and b of two
    cells join to the fuzzy union a + b - ab.

    Parameters
    ----------
    neighbours
        Neighbours of all cells.

    Returns
    -------
    Symmetric weights, cells x cells, float32, between 0 and 1, with an empty diagonal.
    """
    indices, distances = neighbours
    n, k = indices.shape
    apart = np.where(distances > 0, distances, np.inf).min(axis=1)
    nearest = np.where(np.isinf(apart), 0, apart)
    # the cell itself counts as a neighbour in UMAP's target, but not in its sum
    bandwidth = _bandwidths(distances, nearest, float(np.log2(k + 1)))
    weights = np.exp(-np.maximum(distances - nearest[:, None], 0) / bandwidth[:, None])
    rows = np.repeat(np.arange(n), k)
    directed = sparse.csr_matrix((weights.ravel(), (rows, indices.ravel())), shape=(n, n))
    union = sparse.csr_matrix(directed + directed.T - directed.multiply(directed.T), dtype=np.float32)
    union.eliminate_zeros()
    return union


def lay_out(
    graph: sparse.csr_matrix, embedding: Points, *, min_distance: float = 0.3, seed: int = 1
) -> NDArray[np.float32]:
    """Draw the graph in two dimensions with UMAP, started from the first two components.

    Parameters
    ----------
    graph
        Symmetric weights, cells x cells.
    embedding
        Embedding the graph was made from, cells x dimensions, at least two.
    min_distance
        UMAP's smallest distance between drawn cells.
    seed
        Seed of the sampled repulsion; the same seed gives the same drawing.

    Returns
    -------
    Coordinates, cells x 2; distances between groups have no unit and little meaning.
    """
    from umap.umap_ import find_ab_params, simplicial_set_embedding

    start = embedding[:, :2] - embedding[:, :2].mean(axis=0)
    start = 10 * start / max(float(np.abs(start).max()), 1e-12)
    a, b = find_ab_params(1.0, min_distance)
    drawn, _ = simplicial_set_embedding(
        data=embedding,
        graph=graph.tocoo(),
        n_components=2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=500 if graph.shape[0] <= MANY_EPOCHS_UP_TO else 200,
        init=start.astype(np.float32),
        random_state=np.random.RandomState(seed),
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
    )
    return np.asarray(drawn, dtype=np.float32)
