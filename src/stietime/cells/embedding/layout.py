"""UMAP's drawing of the neighbour graph, fitted to all cells or to a sample that places the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stietime.cells.embedding.neighbours import approximate_neighbours, memberships, neighbour_graph

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Points = NDArray[np.float32]
    Rows = NDArray[np.int64]

# beyond this number of cells a sample is fitted, and that many cells are in the sample
FIT_UP_TO: Final = 30_000
FITTED: Final = 20_000
# rounds of UMAP for few cells and for more
MANY_ROUNDS_UP_TO: Final = 2_000
_MANY_ROUNDS: Final = 500
_ROUNDS: Final = 200


class Drawing(NamedTuple):
    """Cells in two dimensions.

    Parameters
    ----------
    points
        Coordinates, cells x 2; distances between groups have no unit and little meaning.
    n_fitted
        Cells that UMAP was fitted to.
    n_placed
        Cells that were placed among them by their nearest fitted neighbours.
    """

    points: Points
    n_fitted: int
    n_placed: int


def draw(
    embedding: Points,
    graph: csr_matrix,
    *,
    min_distance: float = 0.3,
    n_neighbours: int = 15,
    seed: int = 1,
    fit_up_to: int = FIT_UP_TO,
    n_fitted: int = FITTED,
    n_threads: int = 1,
) -> Drawing:
    """Draw cells in two dimensions with UMAP, started from the first two dimensions of the embedding.

    Parameters
    ----------
    embedding
        Cells x dimensions, at least two.
    graph
        Weights between neighbours, cells x cells, as `neighbour_graph` makes them.
    min_distance
        UMAP's smallest distance between drawn cells.
    n_neighbours
        Neighbours of a cell within the fitted sample.
    seed
        Seed of the sample and of the sampled repulsion; the same seed gives the same drawing.
    fit_up_to
        Up to this number of cells UMAP is fitted to all; beyond it to a random sample, which keeps densities,
        and every other cell is placed at the weighted mean of its neighbours in the sample.
    n_fitted
        Number of cells in the sample.
    n_threads
        Threads; the drawing does not depend on them.

    Returns
    -------
    The drawing, and how many cells were fitted and placed.
    """
    curve = fit_curve(min_distance)
    embedding = np.ascontiguousarray(embedding, dtype=np.float32)
    n_cells = len(embedding)
    if n_cells <= fit_up_to:
        return Drawing(_fit(embedding, graph, curve, seed, n_threads), n_cells, 0)
    rows = np.sort(np.random.default_rng(seed).choice(n_cells, n_fitted, replace=False))
    points = _fit_and_place(embedding, rows, curve, n_neighbours, seed, n_threads)
    return Drawing(points, n_fitted, n_cells - n_fitted)


def fit_curve(min_distance: float) -> tuple[float, float]:
    """Fit UMAP's curve 1 / (1 + a d^(2b)) to one that is 1 up to the smallest distance and then decays."""
    from scipy.optimize import curve_fit

    distances = np.linspace(0, 3, 300)
    wanted = np.where(distances < min_distance, 1.0, np.exp(-(distances - min_distance)))
    (a, b), _ = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), distances, wanted)
    return float(a), float(b)


def _fit(
    embedding: Points, graph: csr_matrix, curve: tuple[float, float], seed: int, n_threads: int
) -> Points:
    """Fit UMAP to all cells."""
    from stietime.cells.embedding.layout_kernels import fit

    # the usual spectral start fails with three cells
    start = embedding[:, :2].astype(np.float64)
    start += np.random.default_rng(seed).normal(scale=1e-4, size=start.shape)
    low, high = start.min(axis=0), start.max(axis=0)
    start = 10 * (start - low) / np.where(high > low, high - low, 1)
    n_rounds = _MANY_ROUNDS if len(embedding) <= MANY_ROUNDS_UP_TO else _ROUNDS
    rates = (graph.data / graph.data.max()).astype(np.float32)
    return fit(
        start.astype(np.float32), (graph.indptr, graph.indices, rates), curve, n_rounds, seed, n_threads
    )


def _fit_and_place(
    embedding: Points, rows: Rows, curve: tuple[float, float], k: int, seed: int, n_threads: int
) -> Points:
    """Fit UMAP to a sample and place the other cells at the weighted mean of their neighbours in it."""
    sample = embedding[rows]
    graph = neighbour_graph(sample, k, seed=seed, n_threads=n_threads).weights
    fitted = _fit(sample, graph, curve, seed, n_threads)
    found, _ = approximate_neighbours(sample, k, queries=embedding, seed=seed, n_threads=n_threads)
    weights = memberships(found.distances)
    weights /= weights.sum(axis=1, keepdims=True)
    points = np.zeros((len(embedding), 2), dtype=np.float32)
    for column in range(weights.shape[1]):
        points += weights[:, column, None] * fitted[found.indices[:, column]]
    points[rows] = fitted
    return points
