"""How unevenly clones share the cells of a sample, at the depth that samples have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

if TYPE_CHECKING:
    from stietime.cohort.clonotypes.startrac import Counts

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """How many clones have each size; expected numbers need not be whole.

    Parameters
    ----------
    size
        Cells of a clone, ascending, from 1.
    n_clones
        Number of clones of each size.
    """

    size: Vector
    n_clones: Vector

    @property
    def n_cells(self) -> float:
        """Number of cells."""
        return float(self.size @ self.n_clones)

    def clonality(self) -> float:
        """Give 1 - H / log2(S) of the clones, nan where there are not two."""
        richness = float(self.n_clones.sum())
        if richness < 2:
            return float("nan")
        share = self.size / self.n_cells
        return float(max(0.0, 1 + self.n_clones @ (share * np.log2(share)) / np.log2(richness)))

    def gini(self) -> float:
        """Give Gini's coefficient of the sizes: 0 for equal clones; nan without a clone.

        It is half the mean difference of two clones over their mean size, by the Lorenz curve: one less
        twice the area under it.
        """
        richness, cells = float(self.n_clones.sum()), self.n_cells
        if not richness:
            return float("nan")
        curve = np.concatenate([[0.0], np.cumsum(self.size * self.n_clones) / cells])
        return float(1 - (self.n_clones / richness) @ (curve[1:] + curve[:-1]))


def spectrum(sizes: Counts) -> Spectrum:
    """Count the clones of each size.

    Parameters
    ----------
    sizes
        Cells of each clone; clones without a cell are none.
    """
    values, often = np.unique(sizes[sizes > 0], return_counts=True)
    return Spectrum(values.astype(float), often.astype(float))


def rarefied(whole: Spectrum, depth: int) -> Spectrum:
    """Give the expected number of clones of each size in a draw of cells without replacement.

    E f_k = sum over sizes s of f_s C(s, k) C(N - s, n - k) / C(N, n), exact, so that no draw is made.

    Parameters
    ----------
    whole
        Of all N cells.
    depth
        Number n of cells to draw, at most N.

    Returns
    -------
    The expected spectrum. Entropy and Gini's coefficient of it are those of the mean spectrum, not means.

    References
    ----------
    Hurlbert 1971, Ecology 52:577, for the expected richness, which is its sum.
    """
    n = round(whole.n_cells)
    if depth >= n:
        return whole
    largest = int(min(whole.size.max(initial=0), depth))
    size = np.arange(1, largest + 1, dtype=float)
    expected = np.zeros(largest)
    for cells, often in zip(whole.size, whole.n_clones, strict=True):
        expected += often * _hypergeometric(size, int(cells), n, depth)
    return Spectrum(size, expected)


def _hypergeometric(size: Vector, cells: int, n: int, depth: int) -> Vector:
    """Give the chance that `size` of a clone's cells are among those drawn."""
    fits = (size <= cells) & (depth - size <= n - cells)
    k = np.where(fits, size, 0)
    rest = np.where(fits, depth - size, 0)
    logs = _log_choose(cells, k) + _log_choose(n - cells, rest) - _log_choose(n, np.float64(depth))
    return np.where(fits, np.exp(logs), 0.0)


def _log_choose(n: int, k: Vector | np.float64) -> Vector:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def pair_probability(sizes: Counts) -> float:
    """Give the chance that two cells, drawn without replacement, are of one clone.

    sum s (s - 1) / (N (N - 1)) estimates the sum of squared shares without bias at any depth, which the
    entropy and Gini's coefficient do not.

    Parameters
    ----------
    sizes
        Cells of each clone.

    Returns
    -------
    The chance; nan with fewer than two cells.

    References
    ----------
    Simpson 1949, Nature 163:688.
    """
    n = float(sizes.sum())
    return float((sizes * (sizes - 1.0)).sum() / (n * (n - 1))) if n > 1 else float("nan")
