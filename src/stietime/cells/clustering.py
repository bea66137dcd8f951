"""Leiden clustering of the neighbour graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scipy.sparse import csr_matrix


def find_clusters(graph: csr_matrix, resolutions: Iterable[float], *, seed: int = 1) -> pd.DataFrame:
    """Cluster cells with the Leiden algorithm (Traag et al., Scientific Reports 2019) on modularity.

    Parameters
    ----------
    graph
        Symmetric weights, cells x cells.
    resolutions
        Resolutions; larger gives more clusters.
    seed
        Seed of the order in which cells are visited.

    Returns
    -------
    One row per cell and one column per resolution, named as by `column_of`; clusters are the strings 0, 1,
    ... from the largest.

    Raises
    ------
    ValueError
        The graph is not square.
    """
    import anndata as ad
    import scanpy as sc
    from scipy import sparse

    n_cells = graph.shape[0]
    # scanpy makes an edge of every entry: half of a symmetric matrix says the same in half the memory
    cells = ad.AnnData(obsp={"weights": sparse.triu(graph, k=1, format="csr")}, shape=(n_cells, 0))
    result = {}
    for resolution in dict.fromkeys(resolutions):
        column = column_of(resolution)
        sc.tl.leiden(
            cells,
            resolution,
            obsp="weights",
            key_added=column,
            flavor="igraph",
            n_iterations=2,
            directed=False,
            random_state=seed,
        )
        result[column] = _by_size(cast("pd.Series", cells.obs[column]).astype(object))
    return pd.DataFrame(result).reset_index(drop=True)


def _by_size(found: pd.Series) -> pd.Series:
    """Name clusters 0, 1, ... from the largest; of equal ones the one with the earliest cell comes first."""
    sizes = found.groupby(found, sort=False).size().sort_values(ascending=False, kind="stable")
    return found.map({label: str(place) for place, label in enumerate(sizes.index)})


def column_of(resolution: float) -> str:
    """Name the column of a resolution, such as `leiden_0.5`."""
    return f"leiden_{resolution:g}"
