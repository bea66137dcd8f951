"""Join counts when labels are permuted within strata, such as regions of the tissue or levels of density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.tissue.graphs.graph_kernels import count_neighbours_in_strata

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MAX_STRATA: Final = 16


def density_strata(n_around: NDArray[np.integer], n_levels: int) -> Ints:
    """Put cells into levels of local density with about as many cells each.

    Parameters
    ----------
    n_around
        Number of other cells around every cell.
    n_levels
        Number of levels.

    Returns
    -------
    Level of every cell, 0 the sparsest; fewer levels where many cells have the same number around them.
    """
    cuts = np.unique(np.quantile(n_around, np.arange(1, n_levels) / n_levels))
    return np.unique(np.searchsorted(cuts, n_around, side="right"), return_inverse=True)[1].astype(np.int64)


def stratified_moments(graph: csr_array, codes: Ints, n_types: int, strata: Ints) -> tuple[Floats, Floats]:
    """Compute the mean and the variance of all join counts when labels are permuted within strata.

    The moments sum over the strata of the ends of one edge and of two edges that are the same, share a cell,
    or share none; the probability of given labels is a ratio of falling factorials in every stratum. With one
    stratum these are the moments of `stietime.tissue.pairs.join_counts.join_count_moments`.

    Parameters
    ----------
    graph
        Cells x cells, symmetric, no self loops.
    codes
        Type of every cell, 0 to `n_types` - 1.
    n_types
        Number of types.
    strata
        Stratum of every cell, 0 to at most 15.

    Returns
    -------
    Mean and variance, types x types, symmetric; pairs within a type count once.
    """
    n_strata = int(strata.max()) + 1
    pairs, adjacent = count_neighbours_in_strata(graph.indptr, graph.indices, strata, n_strata)
    sizes = np.bincount(strata, minlength=n_strata).astype(float)
    of_type = np.zeros((n_types, n_strata))
    np.add.at(of_type, (codes, strata), 1)
    shapes = _Shapes(pairs.astype(float), adjacent.astype(float), sizes)
    mean, variance = np.zeros((n_types, n_types)), np.zeros((n_types, n_types))
    for a in range(n_types):
        for b in range(a, n_types):
            found = shapes.within(of_type[a]) if a == b else shapes.between(of_type[a], of_type[b])
            mean[a, b], variance[a, b] = found
    return mean + np.triu(mean, 1).T, np.maximum(variance + np.triu(variance, 1).T, 0.0)


class _Shapes:
    """Ordered edges and pairs of them by strata, and the probabilities that their cells hold given labels."""

    def __init__(self, pairs: Floats, adjacent: Floats, sizes: Floats) -> None:
        self.pairs, self.adjacent = pairs, adjacent
        self.same = np.eye(len(sizes))
        self.two, self.three, self.four = (_ways(sizes, self.same, n) for n in (2, 3, 4))

    def between(self, a: Floats, b: Floats) -> tuple[float, float]:
        """Give the mean and the variance of pairs between two types, by their cells in each stratum."""
        one = _share(np.multiply.outer(a, b), self.two)
        less = b[None, :] - self.same  # a cell of the second type is gone
        tail = _share(a[:, None, None] * b[None, :, None] * less[None, :, :], self.three)
        less = a[None, :] - self.same
        head = _share(b[:, None, None] * a[None, :, None] * less[None, :, :], self.three)
        first, second = a[:, None] * (a[None, :] - self.same), b[:, None] * (b[None, :] - self.same)
        apart = _share(first[:, None, :, None] * second[None, :, None, :], self.four)
        mean = float((self.pairs * one).sum())
        square = mean + float((self.adjacent * (tail + head)).sum())
        return mean, square + self._apart(one, apart)

    def within(self, a: Floats) -> tuple[float, float]:
        """Give the mean and the variance of pairs within a type, by its cells in each stratum."""
        one = _share(_ways(a, self.same, 2), self.two)
        three, four = _share(_ways(a, self.same, 3), self.three), _share(_ways(a, self.same, 4), self.four)
        mean = float((self.pairs * one).sum())
        square = 2 * mean + 4 * float((self.adjacent * three).sum())
        return mean / 2, (square + self._apart(one, four)) / 4

    def _apart(self, one: Floats, four: Floats) -> float:
        """Sum over ordered edges that share no cell, less the square of the mean, without cancellation."""
        square = np.multiply.outer(one, one)
        found = float((np.multiply.outer(self.pairs, self.pairs) * (four - square)).sum())
        found -= float((self.pairs * np.einsum("stst->st", four)).sum())
        found -= float((self.pairs * np.einsum("stts->st", four)).sum())
        for axes in ("stsv->stv", "stut->tsu", "sttv->tsv", "stus->stu"):
            found -= float((self.adjacent * np.einsum(axes, four)).sum())
        return found


def _ways(sizes: Floats, same: Floats, n: int) -> Floats:
    """Count the ways to draw n different cells one after the other from n strata, for all strata."""
    ways = sizes
    for drawn in range(1, n):
        gone = sum(
            same.reshape([len(sizes) if axis in (place, drawn) else 1 for axis in range(drawn + 1)])
            for place in range(drawn)
        )
        ways = ways[..., None] * np.maximum(sizes.reshape([1] * drawn + [-1]) - gone, 0.0)
    return ways


def _share(ways: Floats, of: Floats) -> Floats:
    return np.divide(np.maximum(ways, 0.0), of, out=np.zeros_like(of), where=of > 0)
