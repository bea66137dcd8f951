"""Planted beside recovered: how Harmony mixes the batches, and leaves the planted types apart.

Written apart from the chain's own metrics, so that one does not vouch for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from stietime.simulate.checks import Record, record

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = npt.NDArray[np.float64]

N_NEIGHBOURS: Final = 30
MIN_CELLS_PER_BATCH: Final = 10
MAX_CELLS: Final = 10_000
PURITY_LOSS: Final = 0.02


def _neighbours(points: Floats, k: int) -> npt.NDArray[np.intp]:
    """Positions of the k nearest other cells (cells x k)."""
    from sklearn.neighbors import NearestNeighbors

    model = NearestNeighbors(n_neighbors=k).fit(points)
    found: npt.NDArray[np.intp] = model.kneighbors(return_distance=False)
    return found


def batch_mixing(points: Floats, batch: pd.Series, planted_type: pd.Series) -> tuple[float, int]:
    """Measure how the batches mix within planted types, 0 (apart) to 1 (as well as shuffled).

    For a cell with shares p of the batches among its k = 30 nearest cells of the same type (a third of the
    type where that is less), LISI = 1 / sum p^2. With the shares q of the batches in the type, full mixing is
    1 / sum q^2. The measure is the mean over cells of (LISI - 1) / (full - 1).

    Parameters
    ----------
    points
        Embedding (cells x dimensions).
    batch, planted_type
        Labels of the cells.

    Returns
    -------
    The mean, and the number of cells of the types that have at least 10 cells in each of two batches.
    """
    values = []
    for at in planted_type.groupby(planted_type).groups.values():
        rows = planted_type.index.get_indexer(at)
        labels = batch.iloc[rows]
        counts = labels.value_counts()
        if (counts >= MIN_CELLS_PER_BATCH).sum() < 2:
            continue
        codes = pd.get_dummies(labels).to_numpy(dtype=float)
        found = _neighbours(points[rows], min(N_NEIGHBOURS, len(rows) // 3))
        lisi = 1 / (codes[found].mean(axis=1) ** 2).sum(axis=1)
        full = 1 / (codes.mean(axis=0) ** 2).sum()
        values.append((lisi - 1) / (full - 1))
    joined = np.concatenate(values) if values else np.array([])
    return (float(joined.mean()) if len(joined) else float("nan")), len(joined)


def type_purity(points: Floats, planted_type: pd.Series) -> float:
    """Measure how far planted types keep apart: the share of own type among neighbours.

    Parameters
    ----------
    points
        Embedding (cells x dimensions).
    planted_type
        Labels of the cells; each type counts alike, however many cells it has.

    Returns
    -------
    Mean over types, 0 to 1; neighbours are the 30 nearest other cells.
    """
    labels = planted_type.to_numpy(dtype=str)
    found = _neighbours(points, min(N_NEIGHBOURS, len(labels) - 1))
    same = (labels[found] == labels[:, None]).mean(axis=1)
    return float(pd.Series(same).groupby(labels).mean().mean())


def _columns(embedding: pd.DataFrame, prefix: str) -> Floats:
    return embedding[[name for name in embedding if str(name).startswith(f"{prefix}_")]].to_numpy(dtype=float)


def embedding_records(embedding: pd.DataFrame, labels: pd.DataFrame) -> Iterator[Record]:
    """Compare the embedding before (column planted) and after Harmony (column recovered).

    Met: mixing of batches is higher after Harmony; purity of lineages and types falls by at most 0.02.

    Parameters
    ----------
    embedding
        Columns pca_* and harmony_*, one row per cell; nothing is given without the latter.
    labels
        batch, true_lineage and true_cell_type of the same cells.
    """
    if not any(str(name).startswith("harmony_") for name in embedding):
        return
    rows = np.arange(len(labels))
    if len(rows) > MAX_CELLS:
        rows = np.sort(np.random.default_rng(1).choice(rows, MAX_CELLS, replace=False))
    labels = labels.iloc[rows]
    before, after = (_columns(embedding, prefix)[rows] for prefix in ("pca", "harmony"))
    (mixed_before, n), (mixed_after, _) = (
        batch_mixing(points, labels["batch"], labels["true_cell_type"]) for points in (before, after)
    )
    note = "before Harmony beside after; mean of (LISI - 1) / (full mixing - 1) within planted types"
    if n:
        met = mixed_after > mixed_before
        yield record("batch_mixing", "harmony", mixed_before, mixed_after, n, met=met, note=note)
    for level in ("true_lineage", "true_cell_type"):
        one, other = (type_purity(points, labels[level]) for points in (before, after))
        note = "before Harmony beside after; share of own kind among 30 neighbours, mean over planted kinds"
        met = other >= one - PURITY_LOSS
        entity = level.removeprefix("true_")
        yield record("purity", entity, one, other, len(labels), met=met, note=note)
