"""How good an embedding, its neighbours, its drawing and its clusters are, by samples and exact search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scipy import sparse

Points = NDArray[np.float32]
Rows = NDArray[np.intp]

N_QUERIES: Final = 2000
VALUES_AT_ONCE: Final = 50_000_000  # distances that are held at once, float32


class Recall(NamedTuple):
    """How many of the exact neighbours a graph joins.

    Parameters
    ----------
    joined
        Share of the exact neighbours of the queries that share an edge with them.
    one_sided
        The same over those neighbours that do not have the query among their own: their edge cannot come from
        the other side, so that this is the recall of the search itself, of its harder half.
    n_one_sided
        Number of such neighbours.
    """

    joined: float
    one_sided: float
    n_one_sided: int


def sample_rows(n_cells: int, seed: int, n_queries: int = N_QUERIES) -> Rows:
    """Draw the cells that are looked at, in order; all when there are no more."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_cells, min(n_queries, n_cells), replace=False))


def _distances(points: Points, rows: Rows) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Give squared distances of rows to all points, some rows at a time; infinite to the point itself."""
    centred = points - points.mean(axis=0)
    norms = np.einsum("ij,ij->i", centred, centred)
    step = max(1, VALUES_AT_ONCE // len(points))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        found = norms[part, None] + norms - 2 * (centred[part] @ centred.T)
        found[np.arange(len(part)), part] = np.inf
        yield slice(start, start + len(part)), found


def exact_neighbours(points: Points, rows: Rows, k: int) -> Rows:
    """Find the k nearest other points of some rows by Euclidean distance, nearest first.

    Parameters
    ----------
    points
        Cells x dimensions.
    rows
        The cells whose neighbours are wanted.
    k
        Number of neighbours.
    """
    found = np.empty((len(rows), k), dtype=np.intp)
    for places, distances in _distances(points, rows):
        near = np.argpartition(distances, k, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distances, near, axis=1), axis=1, kind="stable")
        found[places] = np.take_along_axis(near, order, axis=1)
    return found


def _ranks(points: Points, rows: Rows, others: Rows) -> Rows:
    """Rank other points by their distance from the row, 1 for the nearest.

    Parameters
    ----------
    points
        Cells x dimensions.
    rows
        The cells from which distances are measured.
    others
        For each row the cells that are ranked, rows x any number.
    """
    found = np.empty(others.shape, dtype=np.intp)
    for places, distances in _distances(points, rows):
        wanted = np.take_along_axis(distances, others[places], axis=1)
        for column in range(others.shape[1]):
            found[places, column] = 1 + (distances < wanted[:, column, None]).sum(axis=1)
    return found


def neighbour_recall(points: Points, graph: sparse.csr_matrix, rows: Rows, k: int) -> Recall:
    """Compare a symmetric graph of neighbours with exact search in the same embedding.

    Parameters
    ----------
    points
        Embedding, cells x dimensions.
    graph
        Weights, cells x cells; cells are joined where one is among the k neighbours of the other.
    rows
        The cells that are looked at.
    k
        Number of neighbours, the cell itself left out.
    """
    exact = exact_neighbours(points, rows, k)
    queries = np.repeat(rows, k)
    joined = np.asarray(graph[queries, exact.ravel()]).ravel() > 0
    back = _ranks(points, exact.ravel(), queries[:, None]).ravel()
    one_sided = back > k
    n = int(one_sided.sum())
    share = float(joined[one_sided].mean()) if n else float("nan")
    return Recall(float(joined.mean()), share, n)


def trustworthiness(points: Points, drawn: Points, rows: Rows, k: int = 15) -> float:
    """Measure whether cells that are neighbours in a drawing are so in the embedding (Venna and Kaski 2001).

    With all cells as rows it equals `sklearn.manifold.trustworthiness`; with some it is an estimate of it, as
    ranks are taken among all cells.

    Parameters
    ----------
    points
        Embedding, cells x dimensions.
    drawn
        Drawing, cells x 2.
    rows
        The cells that are looked at.
    k
        Number of neighbours, below half the number of cells.
    """
    n = len(points)
    near = exact_neighbours(drawn, rows, k)
    excess = np.maximum(_ranks(points, rows, near) - k, 0).sum()
    return float(1 - 2 * excess / (len(rows) * k * (2 * n - 3 * k - 1)))


def growth_exponent(n_cells: tuple[int, int], seconds: tuple[float, float]) -> float:
    """Give b of seconds ~ cells^b between two sizes."""
    return float(np.log(seconds[1] / seconds[0]) / np.log(n_cells[1] / n_cells[0]))


def agreement(labels: pd.Series, planted: pd.Series) -> float:
    """Give the adjusted Rand index of labels and planted types over the cells that both have."""
    from sklearn.metrics import adjusted_rand_score

    both = labels.index.intersection(planted.index)
    codes = [pd.factorize(values.loc[both])[0] for values in (planted, labels)]
    return float(adjusted_rand_score(*codes))


def kept_shares(kept: pd.Index, truth: pd.DataFrame) -> dict[str, float]:
    """Give the share of the planted single cells, doublets and dying cells that quality control kept.

    Parameters
    ----------
    kept
        Cells that are kept.
    truth
        One row per cell: true_kind.
    """
    inside = truth.index.isin(kept)
    return {
        str(kind): float(inside[rows].mean()) for kind, rows in truth.groupby("true_kind").indices.items()
    }
