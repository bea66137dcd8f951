"""Neighbourhood enrichment, exact: the moments of join counts when labels are permuted among cells."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from stietime.tissue.graph import n_neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

COLUMNS = (
    *("type_a", "type_b", "radius_um", "observed", "expected", "z", "p", "q"),
    *("log2_ratio", "n_a", "n_b", "note"),
)
# below this, counts are too few for the normal approximation of p
MIN_EXPECTED = 5


@dataclass(frozen=True)
class GraphSize:
    """What the moments of join counts need to know of a graph.

    Parameters
    ----------
    n_cells
        Number of cells, isolated ones included.
    n_edges
        Number of pairs of neighbours.
    n_adjacent
        Number of ordered pairs of different edges that share a cell: the sum of k (k - 1) over cells with k
        neighbours.
    """

    n_cells: int
    n_edges: int
    n_adjacent: int

    @classmethod
    def of(cls, graph: csr_array) -> GraphSize:
        """Measure a symmetric graph without self loops."""
        degree = n_neighbours(graph)
        return cls(len(degree), int(degree.sum()) // 2, int((degree * (degree - 1)).sum()))

    @property
    def n_disjoint(self) -> int:
        """Number of ordered pairs of edges that share no cell."""
        return self.n_edges * (self.n_edges - 1) - self.n_adjacent


def _falling(n: int, k: int) -> int:
    """Return n (n - 1) ... (n - k + 1)."""
    product = 1
    for i in range(k):
        product *= n - i
    return product


def _probability(ways: int, n_cells: int, n_drawn: int) -> Fraction:
    """Return the probability that some drawn cells hold given labels; 0 when there are not as many cells."""
    total = _falling(n_cells, n_drawn)
    return Fraction(ways, total) if total else Fraction(0)


def join_count_moments(size: GraphSize, n_a: int, n_b: int | None = None) -> tuple[Fraction, Fraction]:
    """Compute the mean and the variance of a join count when labels are permuted among all cells.

    With m edges, n cells and falling factorials n(r) = n (n-1) ... (n-r+1), the number J of edges between
    types a and b has E[J] = m P1, and E[J^2] = m P1 + s P2 + d P3, where s counts ordered pairs of different
    edges that share a cell and d those that do not. For one type P1 = a(2)/n(2), P2 = a(3)/n(3),
    P3 = a(4)/n(4); for two, P1 = 2ab/n(2), P2 = ab(a+b-2)/n(3), P3 = 4 a(2) b(2)/n(4). This is non-free
    sampling (Moran 1948; Cliff & Ord 1981, Spatial Processes, ch. 2) for a binary graph, where S0 = 2m,
    S1 = 4m and S2 = 4 (s + 2m).

    Parameters
    ----------
    size
        The graph.
    n_a, n_b
        Numbers of cells of the two types; leave out `n_b` for pairs within one type.

    Returns
    -------
    Mean and variance, exact.
    """
    n = size.n_cells
    if n_b is None:
        ways = (_falling(n_a, 2), _falling(n_a, 3), _falling(n_a, 4))
    else:
        ways = (2 * n_a * n_b, n_a * n_b * (n_a + n_b - 2), 4 * _falling(n_a, 2) * _falling(n_b, 2))
    same, adjacent, disjoint = (_probability(w, n, r) for w, r in zip(ways, (2, 3, 4), strict=True))
    mean = size.n_edges * same
    square = size.n_edges * same + size.n_adjacent * adjacent + size.n_disjoint * disjoint
    return mean, square - mean * mean


def pair_counts(graph: csr_array, codes: NDArray[np.integer[Any]], n_types: int) -> NDArray[np.int64]:
    """Count the pairs of neighbours by their types.

    Parameters
    ----------
    graph
        Cells x cells, symmetric, no self loops.
    codes
        Type of every cell, 0 to `n_types` - 1.
    n_types
        Number of types.

    Returns
    -------
    Types x types, symmetric; every pair of neighbours counts once, also within a type. (squidpy counts pairs
    within a type twice; its z is the same.)
    """
    first = np.repeat(codes, n_neighbours(graph)).astype(np.int64)
    flat = np.bincount(first * n_types + codes[graph.indices], minlength=n_types * n_types)
    counts = flat.reshape(n_types, n_types)
    counts[np.diag_indices(n_types)] //= 2
    return counts


def _pair_row(size: GraphSize, observed: int, n_a: int, n_b: int | None) -> dict[str, Any]:
    mean, variance = join_count_moments(size, n_a, n_b)
    row: dict[str, Any] = {"observed": observed, "expected": float(mean)}
    row |= {"z": np.nan, "p": np.nan, "log2_ratio": np.nan, "note": ""}
    if variance <= 0:
        return row | {"note": _why_not_testable(size, n_a, n_b)}
    row["z"] = float(observed - mean) / sqrt(variance)
    row["p"] = max(2 * stats.norm.sf(abs(row["z"])), np.finfo(float).tiny)
    if observed:
        row["log2_ratio"] = float(np.log2(observed / row["expected"]))
    if mean < MIN_EXPECTED:
        row["note"] = f"fewer than {MIN_EXPECTED} pairs expected: p is approximate"
    return row


def _why_not_testable(size: GraphSize, n_a: int, n_b: int | None) -> str:
    if not size.n_edges:
        return "not testable: no cell has a neighbour"
    if n_b is None and n_a < 2:
        return "not testable: one cell of the type"
    return "not testable: every permutation of the labels gives the same count"


def enrichment(graph: csr_array, cell_types: pd.Series, radius_um: float) -> pd.DataFrame:
    """Test for every two types whether their cells are neighbours more or less often than by chance.

    Chance is: the same tissue, the labels permuted among all its cells. Moments are exact, no permutation is
    drawn. p is two-sided by the normal approximation (never below the smallest positive number), q is
    Benjamini and Hochberg's over the testable pairs of the section. What cannot be tested is empty, with the
    reason in `note`; the log2 ratio of a pair that was never observed is empty too.

    Parameters
    ----------
    graph
        Cells x cells, symmetric, no self loops.
    cell_types
        Type of every cell.
    radius_um
        The radius of the graph, micrometres, for the table.

    Returns
    -------
    One row for each unordered pair of types that occur (type_a <= type_b, same type included): `COLUMNS`,
    with `observed` and `expected` numbers of pairs of neighbours.
    """
    types, codes = np.unique(cell_types.to_numpy(dtype=str), return_inverse=True)
    n_cells = np.bincount(codes, minlength=len(types))
    counts = pair_counts(graph, codes, len(types))
    size = GraphSize.of(graph)
    rows = []
    for a, b in combinations_with_replacement(range(len(types)), 2):
        n_a, n_b = int(n_cells[a]), int(n_cells[b])
        row = _pair_row(size, int(counts[a, b]), n_a, None if a == b else n_b)
        rows.append({"type_a": types[a], "type_b": types[b], "n_a": n_a, "n_b": n_b, **row})
    table = pd.DataFrame(rows)
    table["radius_um"] = radius_um
    table["q"] = np.nan
    testable = table["p"].notna()
    if testable.any():
        table.loc[testable, "q"] = stats.false_discovery_control(table.loc[testable, "p"])
    return table[list(COLUMNS)]
