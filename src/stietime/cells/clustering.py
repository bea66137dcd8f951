"""Leiden clustering of the neighbour graph, by igraph."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterable

    import igraph
    from numpy.typing import NDArray


def _as_igraph(graph: sparse.csr_matrix) -> igraph.Graph:
    import igraph

    upper = sparse.triu(graph, k=1).tocoo()
    edges = np.column_stack([upper.row, upper.col])
    made = igraph.Graph(n=graph.shape[0], edges=edges, directed=False)
    made.es["weight"] = upper.data.astype(np.float64)
    return made


def _by_size(membership: NDArray[np.int64]) -> NDArray[np.object_]:
    """Name clusters 0, 1, ... from the largest; of equal ones the one with the earliest cell comes first."""
    labels, first, sizes = np.unique(membership, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    names = np.empty(len(labels), dtype=object)
    names[order] = [str(place) for place in range(len(labels))]
    return names[np.searchsorted(labels, membership)]


def find_clusters(
    graph: sparse.csr_matrix, resolutions: Iterable[float], *, seed: int = 1, n_iterations: int = 2
) -> pd.DataFrame:
    """Cluster cells with the Leiden algorithm (Traag et al., Scientific Reports 2019) on modularity.

    Parameters
    ----------
    graph
        Symmetric weights, cells x cells.
    resolutions
        Resolutions; larger gives more clusters.
    seed
        Seed of the order in which cells are visited.
    n_iterations
        Rounds of the algorithm.

    Returns
    -------
    One row per cell and one column per resolution, named as by `column_of`; clusters are the strings 0, 1,
    ... from the largest.

    Raises
    ------
    ValueError
        The graph is not square.
    """
    import igraph

    if graph.shape[0] != graph.shape[1]:
        message = f"expected a square graph, found {graph.shape[0]} x {graph.shape[1]}"
        raise ValueError(message)
    made = _as_igraph(graph)
    result = {}
    try:
        for resolution in dict.fromkeys(resolutions):
            igraph.set_random_number_generator(random.Random(seed))
            found = made.community_leiden(
                objective_function="modularity",
                weights="weight",
                resolution=resolution,
                n_iterations=n_iterations,
            )
            result[column_of(resolution)] = _by_size(np.asarray(found.membership))
    finally:
        igraph.set_random_number_generator(random)
    return pd.DataFrame(result)


def column_of(resolution: float) -> str:
    """Name the column of a resolution, such as `leiden_0.5`."""
    return f"leiden_{resolution:g}"
