"""Exact moments of join counts: pairs of neighbours of two types when labels are permuted among all cells."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import stats

from stietime.tissue.graphs.graph import n_neighbours
from stietime.tissue.graphs.graph_kernels import count_triangles

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

# comparisons that counting triangles may cost; above it graphs are so dense that counts are nearly normal
_MAX_COMPARISONS: Final = 5_000_000_000
TINY: Final = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class GraphSize:
    """What the mean and the variance of join counts need to know of a graph.

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


class EdgeTriples(NamedTuple):
    """Numbers of unordered sets of three different edges of a graph by the shape that they form.

    Parameters
    ----------
    triangles
        Three cells, all neighbours.
    stars
        Three edges that share one cell.
    paths
        Three edges in a row over four cells.
    bent
        Two edges that share a cell, and one apart.
    apart
        Three edges that share no cell.
    """

    triangles: int
    stars: int
    paths: int
    bent: int
    apart: int

    @classmethod
    def of(cls, graph: csr_array) -> EdgeTriples | None:
        """Count the triples of a symmetric graph without self loops; None where that would take too long.

        With k_i neighbours of cell i, m edges and T triangles: stars are the sum of C(k_i, 3), paths the sum
        over edges of (k_i - 1)(k_j - 1) less 3 T. Of the P pairs of edges that share a cell each leaves
        m - (k_u + k_v + k_w) + 2 edges apart from it, and one more when it closes to a triangle.
        """
        degree = n_neighbours(graph)
        if float((degree.astype(float) ** 2).sum()) > _MAX_COMPARISONS:
            return None
        if not graph.has_sorted_indices:
            graph.sort_indices()
        triangles = int(count_triangles(graph.indptr, graph.indices))
        around = graph.astype(np.int64) @ degree
        n_edges = int(degree.sum()) // 2
        stars = int((degree * (degree - 1) * (degree - 2)).sum()) // 6
        paths = (int((degree * around).sum()) - 2 * int((degree**2).sum())) // 2 + n_edges - 3 * triangles
        pairs = int((degree * (degree - 1)).sum()) // 2
        ends = int((degree * (degree - 1) // 2 * degree).sum()) + int(((degree - 1) * around).sum())
        bent = pairs * (n_edges + 2) - ends + 3 * triangles
        every = n_edges * (n_edges - 1) * (n_edges - 2) // 6
        return cls(triangles, stars, paths, bent, every - triangles - stars - paths - bent)


def falling(n: int, k: int) -> int:
    """Return n (n - 1) ... (n - k + 1)."""
    product = 1
    for i in range(k):
        product *= n - i
    return product


def _probability(ways: int, n_cells: int, n_drawn: int) -> Fraction:
    """Return the probability that some drawn cells hold given labels; 0 when there are not as many cells."""
    total = falling(n_cells, n_drawn)
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
    same, adjacent, disjoint = _one_and_two_edges(size.n_cells, n_a, n_b)
    mean = size.n_edges * same
    square = size.n_edges * same + size.n_adjacent * adjacent + size.n_disjoint * disjoint
    return mean, square - mean * mean


def _one_and_two_edges(n: int, n_a: int, n_b: int | None) -> tuple[Fraction, Fraction, Fraction]:
    """Return the probabilities that one edge, two that share a cell and two apart all join the types."""
    if n_b is None:
        ways = (falling(n_a, 2), falling(n_a, 3), falling(n_a, 4))
    else:
        ways = (2 * n_a * n_b, n_a * n_b * (n_a + n_b - 2), 4 * falling(n_a, 2) * falling(n_b, 2))
    one, two, apart = (_probability(w, n, r) for w, r in zip(ways, (2, 3, 4), strict=True))
    return one, two, apart


def join_count_skewness(size: GraphSize, triples: EdgeTriples, n_a: int, n_b: int | None = None) -> float:
    """Compute the skewness of a join count when labels are permuted among all cells.

    E[J^3] = m P1 + 3 s P2 + 3 d P3 + 6 (the five shapes of three different edges, each by the probability
    that all its edges join the types). Between two types a triangle is impossible, a star has ab(3) + ba(3)
    ways, a path 2 a(2) b(2), two edges and one apart 2 (a(2) b(3) + a(3) b(2)), three apart 8 a(3) b(3).

    Parameters
    ----------
    size, triples
        The graph.
    n_a, n_b
        Numbers of cells of the two types; leave out `n_b` for pairs within one type.

    Returns
    -------
    Third central moment over the variance to the power 3/2, from exact fractions; 0 without variance.
    """
    n = size.n_cells
    if n_b is None:
        ways = (falling(n_a, 3), falling(n_a, 4), falling(n_a, 4), falling(n_a, 5), falling(n_a, 6))
    else:
        a, b = (0, n_a, falling(n_a, 2), falling(n_a, 3)), (0, n_b, falling(n_b, 2), falling(n_b, 3))
        bent = 2 * (a[2] * b[3] + a[3] * b[2])
        ways = (0, a[1] * b[3] + a[3] * b[1], 2 * a[2] * b[2], bent, 8 * a[3] * b[3])
    shapes = (_probability(w, n, r) for w, r in zip(ways, (3, 4, 4, 5, 6), strict=True))
    three = sum(number * shape for number, shape in zip(triples, shapes, strict=True))
    one, two, apart = _one_and_two_edges(n, n_a, n_b)
    mean, variance = join_count_moments(size, n_a, n_b)
    cube = size.n_edges * one + 3 * (size.n_adjacent * two + size.n_disjoint * apart) + 6 * three
    central = cube - 3 * mean * (variance + mean * mean) + 2 * mean**3
    return float(central) / float(variance) ** 1.5 if variance > 0 else 0.0


def two_sided_p(
    z: NDArray[np.float64] | float, skewness: NDArray[np.float64] | float = 0.0
) -> NDArray[np.float64]:
    """Give the probability of a deviation at least as large on either side, never below the smallest number.

    By the Pearson type III distribution with this skewness; 0 gives the normal distribution.
    """
    far = np.abs(z)
    p = stats.pearson3.sf(far, skewness) + stats.pearson3.cdf(-far, skewness)
    return np.asarray(np.clip(p, TINY, 1.0))


def share_deviation(size: GraphSize, n_a: int, n_b: int | None) -> float:
    """Compute the standard deviation of the directed excess when labels are permuted among all cells.

    T = D - w K counts the neighbours D of type b that cells of type a have (from both ends within a type)
    less the share w = b/(n-1) (within a type (a-1)/(n-1)) of all neighbours K of these cells. E[T] is 0:
    the share D/K is judged given how many neighbours the cells of a have. Var[T] = Var[D] + w^2 Var[K] - 2 w
    Cov[D, K], with Var[K] = a (n-a)/(n(n-1)) (S2 - (2m)^2/n) for S2 the sum of k^2, E[D K] = S2 Q2 +
    (4 m^2 - 2 S2) Q3 between types and 2 S2 Q2 + (4 m^2 - 2 S2) Q3 within one, where Q2 = ab/n(2) and
    Q3 = a(2) b/n(3), within a type a(2)/n(2) and a(3)/n(3).

    Parameters
    ----------
    size
        The graph.
    n_a, n_b
        Numbers of cells of the type and of its neighbours' type; None when they are the same.

    Returns
    -------
    The standard deviation; 0 where T cannot vary.
    """
    n, ends = size.n_cells, 2 * size.n_edges
    squares = size.n_adjacent + ends
    both = 1 if n_b is not None else 2
    other = n_a - 1 if n_b is None else n_b
    share = _probability(other, n - 1, 1)
    mean, variance = join_count_moments(size, n_a, n_b)
    two = _probability(n_a * other, n, 2)
    three = _probability(n_a * (n_a - 1) * ((n_a - 2) if n_b is None else other), n, 3)
    degree = Fraction(n_a * ends, n)
    spread = _probability(n_a * (n - n_a), n, 2) * (squares - Fraction(ends * ends, n))
    joint = both * squares * two + (ends * ends - 2 * squares) * three - both * mean * degree
    total = both * both * variance + share * share * spread - 2 * share * joint
    return sqrt(total) if total > 0 else 0.0
