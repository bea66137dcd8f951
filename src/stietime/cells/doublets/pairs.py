"""Whether a pair of groups of cells explains a cell that scores like a doublet.

Cells of a rare type lie between groups as doublets do, and cells at the edge of a group score like them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np
from scipy import sparse

from stietime.cells.cell_sums import hash_rows, totals
from stietime.cells.doublets.artificial import artificial_doublets
from stietime.cells.doublets.features import N_COMPONENTS, informative_genes
from stietime.cells.doublets.scores import MIN_CELLS, MIN_GENES, without_stored_zeros
from stietime.cells.embedding.integration import principal_components
from stietime.cells.normalisation import log_normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Vector = NDArray[np.float64]

MAX_GROUPS: Final = 15
MIN_CELLS_OF_GROUP: Final = 20
MAX_CELLS_IN_GROUPS: Final = 3000
N_EXCESSIVE_GENES: Final = 10
# artificial doublets of about the depth of a cell that it stands beside, and how unlike them it may be
N_OF_LIKE_DEPTH: Final = 100
MIN_GAIN: Final = 0.2
MAX_EXCESS: Final = 0.97
_BLOCK: Final = 5000


class PairFit(NamedTuple):
    """How well a pair of groups explains cells; arrays of one value per cell.

    Parameters
    ----------
    gain
        Log likelihood of the best pair less that of the best single group, per count.
    misfit
        Log likelihood of the cell's own proportions less that of the best pair, per count.
    excess
        Mean standardised excess over the best pair, of the ten genes that exceed it most.
    depth
        Log of the counts.
    """

    gain: Vector
    misfit: Vector
    excess: Vector
    depth: Vector


def group_profiles(counts: csr_matrix) -> Vector:
    """Find the mean counts of groups of similar cells, a hundredth of the mean of all groups added.

    Parameters
    ----------
    counts
        Counts, cells x genes.

    Returns
    -------
    Mean counts, groups x genes, all above 0.

    Raises
    ------
    ValueError
        The cells vary in fewer than two directions.
    """
    from sklearn.cluster import KMeans

    points = principal_components(log_normalise(counts, cell_totals=totals(counts)), N_COMPONENTS).scores
    n_groups = min(MAX_GROUPS, len(np.unique(points, axis=0)), max(2, len(points) // MIN_CELLS_OF_GROUP))
    group = KMeans(n_groups, n_init=2, random_state=0).fit(points).labels_
    rows = np.arange(len(group))
    members = sparse.csr_matrix((np.ones(len(group)), (group, rows)), shape=(n_groups, len(group)))
    profiles = (members @ counts.astype(np.float64)).toarray() / np.bincount(group)[:, None]
    return np.asarray(profiles + 0.01 * profiles.mean(axis=0) + 1e-6)


def fit_pairs(counts: csr_matrix, profiles: Vector) -> PairFit:
    """Fit the sum of two groups to each cell, by the multinomial likelihood of its counts.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    profiles
        Mean counts, at least two groups x genes.

    Returns
    -------
    The fit of the most likely of all pairs of two different groups.
    """
    first, second = np.triu_indices(len(profiles), 1)
    alone, paired = _log_shares(profiles), _log_shares(profiles[first] + profiles[second])
    parts = [
        _fit_block(counts[start : start + _BLOCK].astype(np.float64), alone, paired)
        for start in range(0, counts.shape[0], _BLOCK)
    ]
    return PairFit(*np.hstack(parts))


def _log_shares(profiles: Vector) -> Vector:
    return np.asarray(np.log(profiles / profiles.sum(axis=1, keepdims=True)))


def _fit_block(counts: csr_matrix, alone: Vector, paired: Vector) -> Vector:
    n = np.maximum(totals(counts), 1)
    likelihood = counts @ paired.T
    best = likelihood.argmax(axis=1)
    of_pair = likelihood[np.arange(len(best)), best]
    own = counts.copy()
    own.data = counts.data * np.log(counts.data / np.repeat(n, np.diff(counts.indptr)))
    most = _largest_excess(counts.indptr, counts.indices, counts.data, np.exp(paired), best, n)
    gain = (of_pair - (counts @ alone.T).max(axis=1)) / n
    return np.vstack([gain, (totals(own) - of_pair) / n, most, np.log(n)])


@numba.njit(nogil=True, cache=True)
def _largest_excess(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    data: Vector,
    shares: Vector,
    pair: NDArray[np.int64],
    depth: Vector,
) -> Vector:  # pragma: no cover - compiled
    """Give the mean standardised excess over the cell's pair, of the genes that exceed it most."""
    n_genes = shares.shape[1]
    n_largest = min(N_EXCESSIVE_GENES, n_genes)
    found, own, largest = np.empty(len(depth)), np.zeros(n_genes), np.empty(n_largest)
    for row in range(len(depth)):
        for gene in range(n_genes):
            own[gene] = 0
        for place in range(indptr[row], indptr[row + 1]):
            own[indices[place]] = data[place]
        for at in range(n_largest):
            largest[at] = -np.inf
        for gene in range(n_genes):
            mean = shares[pair[row], gene] * depth[row]
            excess = (own[gene] - mean) / np.sqrt(mean + 0.5)
            if excess > largest[0]:
                at = 0
                while at + 1 < n_largest and largest[at + 1] < excess:
                    largest[at] = largest[at + 1]
                    at += 1
                largest[at] = excess
        sum_of_largest = 0.0
        for at in range(n_largest):
            sum_of_largest += largest[at]
        found[row] = sum_of_largest / n_largest
    return found


def explained_by_pairs(
    counts: csr_matrix, candidates: NDArray[np.bool_], *, seed: int = 1
) -> NDArray[np.bool_]:
    """Say which of the likely doublets a pair of groups of cells explains, and no group alone.

    A doublet is the sum of two cells. A cell of a rare type lies between groups as a doublet does, but has
    genes that no pair of groups has; a cell at the edge of its group is explained by it as well as by a pair.
    Each candidate stands beside 100 artificial doublets of about its depth. It is not explained where its
    fit to the best pair is worse than that of all of them, and the excess of its most excessive genes larger
    than that of 97 %; nor where a pair gains it less, over a group alone, than it gains 80 % of them.

    Parameters
    ----------
    counts
        Counts of the cells of one capture, cells x genes.
    candidates
        Which cells score like doublets; the groups are made of the others.
    seed
        Seed of the artificial doublets.

    Returns
    -------
    Whether each candidate is explained, in their order; all are where the others make no groups.
    """
    from threadpoolctl import threadpool_limits

    counts = without_stored_zeros(counts)
    tested, others = counts[candidates], np.flatnonzero(~candidates)
    n_others = len(others)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(n_others, min(n_others, MAX_CELLS_IN_GROUPS), replace=False))
    singles = counts[others[np.argsort(hash_rows(counts)[others], kind="stable")[chosen]]]
    all_explained = np.ones(tested.shape[0], dtype=bool)
    genes, depth = informative_genes(singles), totals(singles)
    if n_others < MIN_CELLS or len(genes) < MIN_GENES:
        return all_explained
    with threadpool_limits(limits=1):
        try:
            profiles = group_profiles(singles := singles[:, genes])
        except ValueError:
            return all_explained
        cells = fit_pairs(tested[:, genes], profiles)
        doublets = fit_pairs(artificial_doublets(singles, depth, rng).counts, profiles)
    return _is_like(cells, doublets)


def _is_like(cells: PairFit, doublets: PairFit) -> NDArray[np.bool_]:
    """Say whether each cell fits pairs as the artificial doublets of about its depth do."""
    explained = np.empty(len(cells.depth), dtype=bool)
    for row, depth in enumerate(cells.depth):
        alike = _nearest(np.abs(doublets.depth - depth))
        unlike_any_pair = (doublets.misfit[alike] < cells.misfit[row]).all()
        own_genes = (doublets.excess[alike] < cells.excess[row]).mean() >= MAX_EXCESS
        gains = (doublets.gain[alike] < cells.gain[row]).mean() >= MIN_GAIN
        explained[row] = gains and not (unlike_any_pair and own_genes)
    return explained


def _nearest(apart: Vector) -> NDArray[np.int64]:
    """Find the artificial doublets of the nearest depth, of equally near ones the first."""
    farthest = np.partition(apart, N_OF_LIKE_DEPTH - 1)[N_OF_LIKE_DEPTH - 1]
    nearer = np.flatnonzero(apart < farthest)
    return np.append(nearer, np.flatnonzero(apart == farthest)[: N_OF_LIKE_DEPTH - len(nearer)])
