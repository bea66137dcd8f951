"""Nearest neighbours of cells, the weighted graph that UMAP makes of them, and its drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import NDArray

    Points = NDArray[np.float32]
    Rows = NDArray[np.int64]
    Vector = NDArray[np.float64]

# exact search takes about 9 s for 50,000 cells on one core and grows with the square of their number
EXACT_UP_TO: Final = 50_000
# scanpy takes 500 rounds up to 10,000 cells; beyond this number the 200 of larger data suffice
MANY_ROUNDS_UP_TO: Final = 2_000
CONNECTIVITIES: Final = "connectivities"
_EMBEDDING: Final = "embedding"


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


def nearest_neighbours(points: Points, k: int, *, rows: Rows | None = None) -> Neighbours:
    """Find the k nearest other cells by Euclidean distance, exactly.

    Parameters
    ----------
    points
        Embedding, cells x dimensions.
    k
        Number of neighbours; capped at the number of other cells.
    rows
        Cells whose neighbours are wanted; by default all.

    Returns
    -------
    Neighbours of the wanted cells, in their order.

    Raises
    ------
    ValueError
        There are fewer than two cells.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(points) < 2:
        message = f"neighbours need at least 2 cells, found {len(points)}"
        raise ValueError(message)
    wanted = np.arange(len(points)) if rows is None else rows
    search = NearestNeighbors(n_neighbors=min(k + 1, len(points)), algorithm="brute").fit(points)
    distances, indices = search.kneighbors(points[wanted])
    return _without_self(indices.astype(np.int64), distances.astype(np.float64), wanted)


def _without_self(indices: Rows, distances: Vector, wanted: Rows) -> Neighbours:
    """Drop each cell from its own list; where duplicates pushed it out, drop the last instead."""
    is_self = indices == wanted[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    shape = (len(wanted), indices.shape[1] - 1)
    return Neighbours(indices[~is_self].reshape(shape), distances[~is_self].reshape(shape))


def neighbour_graph(
    embedding: Points, k: int, *, seed: int = 1, exact_up_to: int = EXACT_UP_TO
) -> ad.AnnData:
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
        Up to this number of cells the search is exact, beyond it approximate (NN-descent), which repeats
        exactly with the same seed and number of threads (NUMBA_NUM_THREADS).

    Returns
    -------
    Cells without genes, with the graph in `obsp["connectivities"]`: symmetric weights, cells x cells,
    float32, between 0 and 1, with an empty diagonal.
    """
    import anndata as ad
    import scanpy as sc

    n_cells = len(embedding)
    cells = ad.AnnData(shape=(n_cells, 0))
    cells.obsm[_EMBEDDING] = embedding
    sc.pp.neighbors(
        cells,
        n_neighbors=min(k + 1, n_cells),  # scanpy counts the cell itself
        use_rep=_EMBEDDING,
        transformer="sklearn" if n_cells <= exact_up_to else "pynndescent",
        random_state=seed,
    )
    return cells


def lay_out(cells: ad.AnnData, *, min_distance: float = 0.3, seed: int = 1) -> Points:
    """Draw the graph in two dimensions with UMAP, started from the first two dimensions of the embedding.

    Parameters
    ----------
    cells
        Cells with their graph, as `neighbour_graph` makes them, of at least two dimensions.
    min_distance
        UMAP's smallest distance between drawn cells.
    seed
        Seed of the sampled repulsion; the same seed gives the same drawing.

    Returns
    -------
    Coordinates, cells x 2; distances between groups have no unit and little meaning.
    """
    import scanpy as sc

    # the usual spectral start fails with three cells
    start = np.asarray(cells.obsm[_EMBEDDING])[:, :2]
    rounds = 500 if cells.n_obs <= MANY_ROUNDS_UP_TO else 200
    sc.tl.umap(cells, min_dist=min_distance, maxiter=rounds, init_pos=start, random_state=seed)
    return np.asarray(cells.obsm["X_umap"], dtype=np.float32)
