"""How well clusters are found again in subsamples of the cells, at every resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime.cells.clusters.clustering import find_clusters
from stietime.cells.embedding.neighbours import neighbour_graph

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Points = NDArray[np.float32]
    Rows = NDArray[np.int64]

MIN_CELLS: Final = 20  # fewer are not divided into subsamples
# beyond this number of cells neighbours are searched in a seventh of the time, with a recall of 0.98
EXACT_UP_TO: Final = 5000


class Stability(NamedTuple):
    """What the clusterings of subsamples have in common with the clustering of all cells.

    Parameters
    ----------
    agreement
        Adjusted Rand index, one row per subsample, one column per resolution; nan where all cells are one
        cluster. Without rows where there were too few cells.
    overlap
        Jaccard index of each cluster of the first resolution with the most similar cluster of a subsample,
        one row per subsample, one column per cluster; nan for clusters of which a subsample holds too few
        cells on average (these dissolve for want of cells, not of cohesion), and where there is one cluster.
    n_cells
        Cells of a subsample.
    """

    agreement: pd.DataFrame
    overlap: pd.DataFrame
    n_cells: int


def measure_stability(
    clusters: pd.DataFrame,
    cluster_again: Callable[[Rows, int], pd.DataFrame],
    *,
    n_subsamples: int = 10,
    share: float = 0.8,
    max_cells: int = 20_000,
    min_cells_of_cluster: int = 20,
    seed: int = 1,
) -> Stability:
    """Cluster random subsamples anew and compare them with the clusters of all cells.

    Resolutions are compared by the adjusted Rand index (Hubert and Arabie 1985), single clusters by the
    largest Jaccard index with a cluster of the subsample (Hennig, Computational Statistics & Data Analysis
    2007), both over the cells of the subsample.

    Parameters
    ----------
    clusters
        Clusters of all cells, one column per resolution, that of the clusters in use first.
    cluster_again
        Takes the rows of a subsample and its number, and gives their clusters, columns as in `clusters`.
    n_subsamples
        Number of subsamples.
    share
        Share of the cells in a subsample.
    max_cells
        Largest number of cells of a subsample.
    min_cells_of_cluster
        Cells of a cluster that a subsample must hold on average for its overlap to be measured.
    seed
        Seed of the subsamples.

    Returns
    -------
    Agreement and overlap, by subsample.
    """
    from sklearn.metrics import adjusted_rand_score

    size = min(int(share * len(clusters)), max_cells)
    held = clusters.iloc[:, 0].value_counts() * size / max(len(clusters), 1)
    testable = held.index[(held >= min_cells_of_cluster) & (len(held) > 1)]
    agreements, overlaps = [], []
    for place in range(n_subsamples if len(clusters) >= MIN_CELLS else 0):
        rows = np.sort(np.random.default_rng([seed, place]).choice(len(clusters), size, replace=False))
        before, after = clusters.iloc[rows], cluster_again(rows, place)
        agreements.append(
            {name: adjusted_rand_score(before[name], after[name]) for name in _divided(clusters)}
        )
        overlaps.append(largest_overlap(before.iloc[:, 0], after.iloc[:, 0]))
    agreement = pd.DataFrame(agreements, columns=clusters.columns, dtype=np.float64)
    overlap = pd.DataFrame(overlaps, columns=testable, dtype=np.float64)
    return Stability(agreement, overlap.reindex(columns=held.index), size)


def _divided(clusters: pd.DataFrame) -> list[str]:
    """Name the resolutions with more than one cluster: a single one has nothing to be told from."""
    return [str(name) for name in clusters.columns if len(clusters[name].unique()) > 1]


def largest_overlap(clusters: pd.Series, again: pd.Series) -> dict[str, float]:
    """Find for each cluster the largest Jaccard index with a cluster of another clustering.

    Parameters
    ----------
    clusters, again
        Two clusterings of the same cells, in the same order.

    Returns
    -------
    Shared cells over the cells of either cluster, 0 to 1, by cluster.
    """
    shared = pd.crosstab(clusters.to_numpy(), again.to_numpy())
    both = shared.to_numpy()
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return dict(zip(map(str, shared.index), (both / either).max(axis=1).tolist(), strict=True))


def recluster(
    points: Points,
    resolutions: dict[str, float],
    *,
    n_neighbours: int,
    join: Callable[[Points, Rows], csr_matrix] | None = None,
    seed: int = 1,
    n_threads: int = 1,
) -> Callable[[Rows, int], pd.DataFrame]:
    """Make the function that clusters a subsample as all cells were clustered.

    Parameters
    ----------
    points
        Embedding of all cells, cells x dimensions.
    resolutions
        Resolutions by the names of their columns.
    n_neighbours
        Neighbours of a cell in the graph.
    join
        Makes the graph from the points of a subsample and their rows; by default the nearest neighbours are
        joined.
    seed
        Seed of the neighbour search and of Leiden; each subsample has its own.
    n_threads
        Threads of an approximate neighbour search.
    """

    def _cluster(rows: Rows, place: int) -> pd.DataFrame:
        some, own = np.ascontiguousarray(points[rows]), seed + 1 + place
        if join is None:
            options = {"seed": own, "exact_up_to": EXACT_UP_TO, "n_threads": n_threads}
            graph = neighbour_graph(some, n_neighbours, **options).weights
        else:
            graph = join(some, rows)
        found = find_clusters(graph, resolutions.values(), seed=own)
        return found.set_axis(list(resolutions), axis=1)

    return _cluster
