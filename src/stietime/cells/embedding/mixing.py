"""How well labels mix in an embedding: LISI, and the acceptance rate of kBET."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.embedding.neighbours import nearest_neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cells.embedding.neighbours import Neighbours

    Vector = NDArray[np.float64]

# scib-metrics takes 50 neighbours, the cell itself among them
KBET_K: Final = 50
KBET_ALPHA: Final = 0.05
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
    k = neighbours_for(perplexity, len(embedding))
    found = nearest_neighbours(embedding.astype(np.float32), k, rows=rows)
    return diversity_among(found, labels)


def neighbours_for(perplexity: float, n_cells: int) -> int:
    """Give the number of neighbours that a perplexity needs: 3 * perplexity - 1, the cell itself left out.

    Parameters
    ----------
    perplexity
        Effective number of neighbours wanted.
    n_cells
        Number of cells; where they are few, all other cells are the neighbours.
    """
    return round(3 * min(perplexity, max(1.0, (n_cells - 1) / 3))) - 1


def diversity_among(found: Neighbours, labels: pd.DataFrame) -> pd.DataFrame:
    """Count the labels among neighbours that were found before: LISI, as `local_diversity`.

    Parameters
    ----------
    found
        The neighbours of some cells, the cell itself left out; the perplexity is a third of their number.
    labels
        One column per label, one row for each cell of the embedding; a missing value is a label of its own.

    Returns
    -------
    LISI of each cell whose neighbours are given (row) for each column of the labels.
    """
    weights = kernel_weights(found.distances, (found.indices.shape[1] + 1) / 3)
    result = {}
    for name in labels.columns:
        codes, values = pd.factorize(labels[name], use_na_sentinel=False)
        nearby = codes[found.indices]
        squares = np.zeros(len(nearby))
        for code in range(len(values)):
            squares += np.where(nearby == code, weights, 0).sum(axis=1) ** 2
        result[name] = 1 / squares
    return pd.DataFrame(result)


def mixing_p(found: Neighbours, rows: NDArray[np.int64], labels: pd.Series, *, k: int = KBET_K) -> Vector:
    """Test for each cell whether its neighbourhood holds the labels in the shares of the whole: kBET.

    Pearson's chi-squared of the labels of a cell and its k - 1 nearest neighbours against k times the shares
    of the labels among all cells, with one degree of freedom less than there are labels (Buettner et al.,
    Nature Methods 2019). The acceptance rate is the share of cells with p of at least 0.05.

    Parameters
    ----------
    found
        The neighbours of the cells, nearest first, the cell itself left out.
    rows
        The cells whose neighbours they are.
    labels
        Label of every cell of the embedding; a missing value is a label of its own.
    k
        Cells in a neighbourhood; fewer where fewer neighbours were found.

    Returns
    -------
    p for each cell of `rows`; nan where all cells have the same label.
    """
    from scipy.stats import chi2

    codes, values = pd.factorize(labels, use_na_sentinel=False)
    if len(values) < 2:
        return np.full(len(rows), np.nan)
    near = codes[np.column_stack([rows, found.indices[:, : k - 1]])]
    expected = near.shape[1] * np.bincount(codes) / len(codes)
    statistic = np.zeros(len(rows))
    for code, wanted in enumerate(expected):
        statistic += ((near == code).sum(axis=1) - wanted) ** 2 / wanted
    return np.asarray(chi2.sf(statistic, len(values) - 1))


def full_mixing(labels: pd.Series) -> float:
    """Give the LISI of cells that meet every label in its share of the whole: 1 / sum(share^2)."""
    shares = labels.value_counts(normalize=True, dropna=False).to_numpy()
    return float(1 / (shares**2).sum())
