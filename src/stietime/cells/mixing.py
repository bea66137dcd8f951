"""How well labels mix in an embedding (LISI), and whether batch can be told from environment at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.neighbours import nearest_neighbours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

# per cell, the median over more cells than this hardly changes
MAX_CELLS: Final = 20_000
SHOULD_NOT_MIX: Final = "given_cell_type"
NEARLY_CONFOUNDED: Final = 0.7
_TOLERANCE: Final = 1e-5


def kernel_weights(distances: Vector, perplexity: float, n_rounds: int = 50) -> Vector:
    """Weigh neighbours by exp(-precision * distance), the precision giving each cell the wanted perplexity.

    Parameters
    ----------
    distances
        Distances of the neighbours, cells x k.
    perplexity
        Effective number of neighbours, exp(entropy of the weights).
    n_rounds
        Rounds of the bisection of each cell's precision.

    Returns
    -------
    Weights that sum to 1 for each cell, cells x k.
    """
    target = np.log(perplexity)
    precision = np.ones(len(distances))
    low, high = np.full(len(distances), -np.inf), np.full(len(distances), np.inf)
    weights, entropy = _weights_and_entropy(distances, precision)
    for _ in range(n_rounds):
        difference = entropy - target
        active = np.abs(difference) > _TOLERANCE
        if not active.any():
            break
        up = active & (difference > 0)
        down = active & ~up
        low[up], high[down] = precision[up], precision[down]
        middle = (low + high) / 2
        precision[up] = np.where(np.isinf(high[up]), 2 * precision[up], middle[up])
        precision[down] = np.where(np.isinf(low[down]), precision[down] / 2, middle[down])
        weights[active], entropy[active] = _weights_and_entropy(distances[active], precision[active])
    return weights


def _weights_and_entropy(distances: Vector, precision: Vector) -> tuple[Vector, Vector]:
    # taking off the smallest distance changes no weight and keeps the exponentials from vanishing
    exponents = -(distances - distances.min(axis=1, keepdims=True)) * precision[:, None]
    weights = np.exp(exponents)
    sums = weights.sum(axis=1, keepdims=True)
    weights /= sums
    return weights, np.log(sums[:, 0]) - (weights * exponents).sum(axis=1)


def sampled_rows(n_cells: int, max_cells: int = MAX_CELLS, seed: int = 1) -> NDArray[np.int64]:
    """Choose the cells a metric is computed for: all, or a random sample in order."""
    if n_cells <= max_cells:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(seed).choice(n_cells, max_cells, replace=False))


def local_diversity(
    embedding: Vector,
    labels: pd.DataFrame,
    *,
    perplexity: float = 30,
    rows: NDArray[np.int64] | None = None,
) -> pd.DataFrame:
    """Count the labels a cell effectively meets among its neighbours: LISI (Korsunsky et al. 2019).

    LISI = 1 / sum over labels of p^2, where p is the summed weight of neighbours with the label, among the
    3 * perplexity - 1 nearest cells, weighted by `kernel_weights`. It is 1 when all neighbours share a label.

    Parameters
    ----------
    embedding
        Cells x dimensions.
    labels
        One column per label, one row per cell; a missing value is a label of its own.
    perplexity
        Effective number of neighbours; a third of the other cells where those are few.
    rows
        Cells to compute it for; by default all. Neighbours are always taken from all cells.

    Returns
    -------
    LISI of each cell (row) for each column of the labels.
    """
    perplexity = min(perplexity, max(1.0, (len(embedding) - 1) / 3))
    found = nearest_neighbours(embedding.astype(np.float32), round(3 * perplexity) - 1, rows=rows)
    weights = kernel_weights(found.distances, perplexity)
    result = {}
    for name in labels.columns:
        codes, values = pd.factorize(labels[name], use_na_sentinel=False)
        nearby = codes[found.indices]
        shares = np.stack([np.where(nearby == code, weights, 0).sum(axis=1) for code in range(len(values))])
        result[name] = 1 / (shares**2).sum(axis=0)
    return pd.DataFrame(result)


def full_mixing(labels: pd.Series) -> float:
    """Give the LISI of cells that meet every label in its share of the whole: 1 / sum(share^2)."""
    shares = labels.value_counts(normalize=True, dropna=False).to_numpy()
    return float(1 / (shares**2).sum())


def cramers_v(one: Sequence[str], other: Sequence[str]) -> float:
    """Measure how far two labels determine each other: Cramer's V, 0 (not at all) to 1 (fully).

    V = sqrt(chi2 / (n * (min(rows, columns) - 1))).

    Parameters
    ----------
    one, other
        Two labels of the same cells.

    Returns
    -------
    V; nan where either label has one value only.
    """
    table = pd.crosstab(np.asarray(one, dtype=object), np.asarray(other, dtype=object)).to_numpy(
        dtype=np.float64
    )
    if min(table.shape) < 2:
        return float("nan")
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    chi2 = ((table - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi2 / (table.sum() * (min(table.shape) - 1))))


def confounding(batches: pd.Series, environments: pd.Series) -> tuple[float, str]:
    """Say how far batch and environment are confounded.

    Parameters
    ----------
    batches, environments
        Labels of the same cells.

    Returns
    -------
    Cramer's V, and in words what follows for the reading of the corrected embedding.
    """
    strength = cramers_v(batches.tolist(), environments.tolist())
    if len(set(environments)) < 2:
        return strength, "one environment only: nothing to confound"
    if len(set(batches)) < 2:
        return strength, "one batch only: nothing to confound"
    pure = environments.groupby(batches.to_numpy()).agg(lambda found: len(set(found)) == 1).astype(bool)
    if pure.all():
        note = (
            "confounded: every batch holds one environment, so that the two cannot be told apart and Harmony "
            "takes differences of environment out of the embedding; cell types and clusters may be merged"
        )
        return strength, note
    if strength >= NEARLY_CONFOUNDED:
        note = f"nearly confounded (Cramer's V {strength:.2f}): batch tells the environment of most cells"
        return strength, note
    if pure.any():
        some = ", ".join(map(str, pure.index[pure][:5]))
        note = f"partly confounded: {pure.sum()} of {len(pure)} batches hold one environment ({some})"
        return strength, note
    return strength, "not confounded: every batch holds more than one environment"


def mixing_rows(
    name: str, embedding: Vector, labels: pd.DataFrame, *, max_cells: int = MAX_CELLS, seed: int = 1
) -> list[dict[str, object]]:
    """Summarise how labels mix in an embedding.

    Parameters
    ----------
    name
        Name of the embedding, such as pca or harmony.
    embedding
        Cells x dimensions.
    labels
        One column per label (batch, environment, patient, ...), one row per cell.
    max_cells
        LISI is computed for at most this many cells, sampled at random.
    seed
        Seed of the sample.

    Returns
    -------
    One record per label: embedding, metric (`lisi_<label>`), value (median over cells), ideal (fully
    mixed), n (cells it is computed for), note.
    """
    rows = sampled_rows(len(embedding), max_cells, seed)
    medians = local_diversity(embedding, labels, rows=rows).median()
    return [
        {
            "embedding": name,
            "metric": f"lisi_{label}",
            "value": float(medians[label]),
            "ideal": 1.0 if label == SHOULD_NOT_MIX else full_mixing(labels[label]),
            "n": len(rows),
            "note": _LISI_NOTES.get(label, "median over cells; ideal is full mixing"),
        }
        for label in labels.columns
    ]


_LISI_NOTES: Final = {
    "batch": "median over cells; ideal is full mixing, less is expected where batches hold other cell types",
    "environment": "median over cells; ideal is full mixing, which is not the aim: environments do differ",
    "patient": "median over cells; ideal is full mixing, which tumour cells do not reach",
    SHOULD_NOT_MIX: "median over cells; 1 is best: cells meet their own type only",
}
