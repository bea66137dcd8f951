"""Observed pairs of neighbours against permuted labels, everywhere or within strata, by moments or draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stietime.tissue.graphs.graph import n_neighbours
from stietime.tissue.pairs.join_counts import (
    EdgeTriples,
    GraphSize,
    join_count_moments,
    join_count_skewness,
    share_deviation,
    two_sided_p,
)
from stietime.tissue.pairs.label_draws import Exceeded, Rare, draw_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# below either, counts are too few for p from moments, and labels are drawn instead
MIN_EXPECTED: Final = 30
MIN_CELLS: Final = 25
# neighbours looked at over all draws; rare types that would need more keep p from moments
_MAX_LOOKS: Final = 2_000_000_000


@dataclass(frozen=True)
class Draws:
    """How labels of rare types are drawn.

    Parameters
    ----------
    n
        Number of permutations; 0 takes p from moments everywhere.
    seed
        Seed of the permutations.
    n_threads
        Threads; no result depends on them.
    """

    n: int = 9999
    seed: int = 0
    n_threads: int = 1


class Null(NamedTuple):
    """Moments of the numbers of pairs of neighbours (types x types) when labels are permuted."""

    mean: Floats
    sd: Floats
    skewness: Floats


def permuted_everywhere(graph: csr_array, size: GraphSize, n_cells: Ints) -> Null:
    """Compute the moments of the numbers of pairs for all types, labels permuted among all cells.

    Parameters
    ----------
    graph, size
        The graph, symmetric, no self loops.
    n_cells
        Number of cells of each type.
    """
    k = len(n_cells)
    null = Null(*np.zeros((3, k, k)))
    triples = EdgeTriples.of(graph)
    for a in range(k):
        for b in range(a, k):
            of = int(n_cells[a]), None if a == b else int(n_cells[b])
            mean, variance = join_count_moments(size, *of)
            skewness = join_count_skewness(size, triples, *of) if triples is not None else 0.0
            for part, value in zip(null, (float(mean), float(variance) ** 0.5, skewness), strict=True):
                part[a, b] = part[b, a] = value
    return null


class Tested(NamedTuple):
    """What came out for every two types (types x types); missing where labels cannot change the count.

    Parameters
    ----------
    z, p
        Of the numbers of pairs of neighbours; symmetric.
    by_draws
        Whether p is from draws.
    share_z, share_p
        Of the share of the row's neighbours that are of the column's type; missing within strata.
    """

    z: Floats
    p: Floats
    by_draws: NDArray[np.bool_]
    share_z: Floats
    share_p: Floats


class Observed:
    """Pairs of neighbours of a section by type, to be tested against permuted labels.

    Parameters
    ----------
    graph
        Cells x cells, symmetric, no self loops, indices sorted.
    codes
        Type of every cell, 0 and up; every type occurs.
    ordered
        Types x types: ordered pairs of neighbours, those within a type twice.
    draws
        How labels of rare types are drawn.
    """

    def __init__(self, graph: csr_array, codes: Ints, ordered: Ints, draws: Draws) -> None:
        self.graph, self.codes, self.ordered, self.draws = graph, codes, ordered, draws
        self.n_cells = np.bincount(codes, minlength=len(ordered))
        degree, k = n_neighbours(graph), len(ordered)
        self.ends = np.bincount(codes, weights=degree, minlength=k).astype(np.int64)
        self.n_isolated = np.bincount(codes, weights=degree == 0, minlength=k).astype(np.int64)
        self.twice = 1 + np.eye(k, dtype=np.int64)
        self.weights = (self.n_cells[None, :] - np.eye(k)) / max(len(codes) - 1, 1)
        self.excess = ordered - self.weights * self.ends[:, None]

    def test(self, null: Null, strata: Ints, size: GraphSize | None = None) -> Tested:
        """Compare the counts with labels permuted within strata.

        Parameters
        ----------
        null
            Moments of the counts under these permutations.
        strata
            Stratum of every cell, 0 and up; all 0 permutes labels among all cells.
        size
            The graph; with it the shares are tested too, which needs a single stratum.
        """
        varies = null.sd > 0
        z = np.full(varies.shape, np.nan)
        np.divide(self.ordered / self.twice - null.mean, null.sd, out=z, where=varies)
        p = np.where(varies, two_sided_p(np.nan_to_num(z), null.skewness), np.nan)
        share_z, share_p = self._shares(size)
        few = np.minimum.outer(self.n_cells, self.n_cells) < MIN_CELLS
        wanted = varies & (few | (null.mean < MIN_EXPECTED))
        by_draws = np.zeros_like(varies)
        chosen, drawn = self._draw(null, strata, wanted)
        for row, a in enumerate(chosen):
            for b in np.flatnonzero(wanted[a]):
                # of two rare types the rarer one's draws tell of the pair, those of both of the shares
                if b not in chosen[:row]:
                    p[a, b] = p[b, a] = drawn.joins[row, b]
                if b not in chosen:
                    share_p[b, a] = drawn.joins[row, b]
                share_p[a, b] = drawn.shares[row, b]
                by_draws[a, b] = by_draws[b, a] = True
        return Tested(z, p, by_draws, share_z, share_p)

    def _shares(self, size: GraphSize | None) -> tuple[Floats, Floats]:
        """Test the shares by moments."""
        k, n = len(self.n_cells), self.n_cells.tolist()
        sd, z = np.zeros((k, k)), np.full((k, k), np.nan)
        if size is not None:
            sd[:] = [
                [share_deviation(size, n[a], None if a == b else n[b]) for b in range(k)] for a in range(k)
            ]
        np.divide(self.excess, sd, out=z, where=sd > 0)
        return z, np.where(sd > 0, two_sided_p(np.nan_to_num(z)), np.nan)

    def _draw(self, null: Null, strata: Ints, wanted: NDArray[np.bool_]) -> tuple[Ints, Exceeded]:
        """Draw labels for the rarer types of the wanted pairs, the rarest first, within the budget."""
        order = np.argsort(self.n_cells, kind="stable")
        place = np.argsort(order)
        later = place[None, :] >= place[:, None]
        rarer = order[(wanted & later).any(axis=1)[order]]
        degree = self.graph.nnz / len(self.codes)
        looks = np.cumsum(self.n_cells[rarer] * (1 + degree)) * self.draws.n
        rarer = rarer[: int((looks <= _MAX_LOOKS).sum())].astype(np.int64)
        if not len(rarer) or not self.draws.n:
            return rarer[:0], Exceeded(np.empty((0, 0)), np.empty((0, 0)))
        needs_all = np.array([bool(np.setdiff1d(np.flatnonzero(wanted[a]), rarer).size) for a in rarer])
        rare = Rare(
            rarer, needs_all, (null.mean * self.twice)[rarer], self.ordered[rarer].astype(float),
            self.weights[rarer], self.excess[rarer],
        )  # fmt: skip
        return rarer, draw_labels(
            self.graph, self.codes, strata, rare,
            n_draws=self.draws.n, seed=self.draws.seed, n_threads=self.draws.n_threads,
        )  # fmt: skip
