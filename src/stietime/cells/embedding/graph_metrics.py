"""What a graph of neighbours tells of an integration: whether types hang together and labels mix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime.cells.embedding.neighbours import nearest_neighbours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Vector = NDArray[np.float64]


def nearest_graph(points: Vector, k: int) -> csr_matrix:
    """Join each cell to its k nearest others, a directed graph of ones, cells x cells."""
    from scipy.sparse import csr_matrix

    indices = nearest_neighbours(np.ascontiguousarray(points, dtype=np.float32), k).indices
    n_cells, n_found = indices.shape
    starts = np.arange(0, n_cells * n_found + 1, n_found)
    ones = np.ones(indices.size, dtype=np.float32)
    return csr_matrix((ones, indices.ravel(), starts), shape=(n_cells, n_cells))


def in_largest_component(graph: csr_matrix, types: pd.Series) -> pd.Series:
    """Tell which cells are in the largest connected part of their type's own cells.

    The mean over types of the share of such cells is scib's graph connectivity: 1 where the cells of every
    type hang together.

    Parameters
    ----------
    graph
        Edges between cells; a directed graph is taken by its strongly connected parts.
    types
        Type of each cell.

    Returns
    -------
    1.0 or 0.0 for each cell; nan for a cell without a type.
    """
    from scipy.sparse.csgraph import connected_components

    joined = pd.Series(np.nan, index=types.index)
    for rows in types.groupby(types, observed=True).indices.values():
        _, parts = connected_components(graph[rows][:, rows], connection="strong")
        joined.iloc[rows] = (parts == np.bincount(parts).argmax()).astype(np.float64)
    return joined


def graph_diversity(graph: csr_matrix, labels: Sequence[object] | pd.Series) -> Vector:
    """Count the labels among a cell's neighbours in a graph, by their weights: 1 / sum of squared shares."""
    codes, values = pd.factorize(pd.Series(labels), use_na_sentinel=False)
    totals = np.asarray(graph.sum(axis=1)).ravel()
    squares = np.zeros(len(codes))
    for code in range(len(values)):
        squares += np.asarray(graph @ (codes == code).astype(np.float64)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(squares > 0, totals**2 / squares, np.nan))
