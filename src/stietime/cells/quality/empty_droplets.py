"""Which droplets of an unfiltered matrix hold cells: the test of EmptyDrops.

Lun et al., Genome Biology 2019: droplets of very few counts are empty and give the profile of ambient RNA; a
droplet with more counts is a cell when its counts are unlikely under that profile, or when it is so deep that
it lies above the knee of the curve of counts over ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from scipy.special import gammaln
from scipy.stats import false_discovery_control

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

MIN_EMPTY_DROPLETS: Final = 2_000  # fewer are no unfiltered matrix
N_DRAWS: Final = 10_000  # simulated droplets of every depth: the least p is 1 / (N_DRAWS + 1)
MIN_KNEE: Final = 5  # times the counts of an empty droplet: a lower knee would keep empty droplets untested
VALUES_AT_ONCE: Final = 2_000_000  # simulated counts held at once
TOLERANCE: Final = 1e-7  # of the difference between two likelihoods that are equal


def looks_unfiltered(counts: sparse.csr_matrix, *, max_counts_empty_droplet: int) -> bool:
    """Tell an unfiltered matrix from one of cells only, such as neutrophils of few counts.

    Most droplets of an unfiltered matrix hold a handful of counts. Cells of so few would be of no use, so
    that a matrix of cells has never that shape, however shallow they are.

    Parameters
    ----------
    counts
        Droplets x genes.
    max_counts_empty_droplet
        Droplets with at most so many counts can be empty.

    Returns
    -------
    Whether there are at least `MIN_EMPTY_DROPLETS` droplets of 1 to `max_counts_empty_droplet` counts, and
    more than half of all droplets with counts have at most half of `max_counts_empty_droplet`.
    """
    # a droplet has as many counts as genes, or more; where none is low in genes, no sums are needed
    if (np.diff(counts.indptr) <= max_counts_empty_droplet).sum() < MIN_EMPTY_DROPLETS and counts.data.all():
        return False
    depth = _depths(counts)
    depth = depth[depth > 0]
    n_low = int((depth <= max_counts_empty_droplet).sum())
    n_lowest = int((depth <= max_counts_empty_droplet / 2).sum())
    return n_low >= MIN_EMPTY_DROPLETS and n_lowest > len(depth) / 2


def call_cells(
    counts: sparse.csr_matrix, *, max_counts_empty_droplet: int, fdr: float, seed: int
) -> tuple[NDArray[np.bool_], Counts, str]:
    """Tell cells from empty droplets.

    The statistic of a droplet is its multinomial likelihood under the ambient profile (Good-Turing); its p
    value is the share of simulated ambient droplets of the same total that are no likelier, ``(R + 1) / (M +
    1)``. Droplets above the knee are cells in any case; p values are adjusted by Benjamini-Hochberg with
    those at 0.

    Parameters
    ----------
    counts
        Droplets x genes, unfiltered.
    max_counts_empty_droplet
        Droplets with 1 to so many counts are empty.
    fdr
        False discovery rate of the test.
    seed
        Seed of the simulated droplets.

    Returns
    -------
    Whether each droplet is a cell; counts of the empty droplets per gene (int64); what was done, in words.
    The result does not depend on the order of the droplets.
    """
    depth = _depths(counts)
    empty = (depth > 0) & (depth <= max_counts_empty_droplet)
    ambient = np.asarray(counts[empty].sum(axis=0), dtype=np.int64).ravel()
    asked = np.flatnonzero(depth > max_counts_empty_droplet)
    knee = max(knee_point(depth[asked]), MIN_KNEE * max_counts_empty_droplet)
    tested = asked[depth[asked] < knee]
    deep = asked[depth[asked] >= knee]
    is_cell = np.zeros(len(depth), dtype=bool)
    is_cell[deep] = True
    if len(tested) and ambient.any():
        in_any = np.asarray(counts.sum(axis=0)).ravel() > 0
        p = _p_values(counts[tested], depth[tested], good_turing(ambient, in_any), seed)
        adjusted = false_discovery_control(np.concatenate([np.zeros(len(deep)), p]))
        is_cell[tested] = adjusted[len(deep) :] <= fdr
    else:
        is_cell[tested] = True
    note = (
        f"unfiltered matrix: {int(empty.sum()):,} droplets of 1 to {max_counts_empty_droplet} counts are"
        f" empty, {len(deep):,} of at least {knee:,} (the knee) are cells, and"
        f" {int(is_cell[tested].sum()):,} of {len(tested):,} between, which differ from ambient RNA"
        f" (FDR {fdr:g})"
    )
    return is_cell, ambient, note


def _depths(counts: sparse.csr_matrix) -> Counts:
    """Sum the counts of each droplet without compiled code, whose import would cost `ingest` more."""
    running = np.concatenate([[0], np.cumsum(counts.data, dtype=np.int64)])
    return np.asarray(np.diff(running[counts.indptr]))


def knee_point(depth: Counts) -> int:
    """Find where the counts begin to fall: furthest above the chord of log counts over log ranks.

    Parameters
    ----------
    depth
        Counts of the droplets, all above 0, in any order.

    Returns
    -------
    The counts at the knee; with fewer than three different values the largest, 0 without droplets.
    """
    values, n = np.unique(depth, return_counts=True)
    if len(values) < 3:
        return int(values.max(initial=0))
    rank = np.cumsum(n[::-1])[::-1] - (n - 1) / 2  # the mean rank of tied droplets
    x, y = np.log(rank), np.log(values)
    slope = (y[0] - y[-1]) / (x[0] - x[-1])
    return int(values[np.argmax(y - y[-1] - slope * (x - x[-1]))])


def good_turing(ambient: Counts, in_any: NDArray[np.bool_]) -> Floats:
    """Estimate the ambient profile with a share for genes that the empty droplets do not show.

    Parameters
    ----------
    ambient
        Counts of the empty droplets per gene.
    in_any
        Whether the gene is counted in any droplet.

    Returns
    -------
    Shares that sum to 1: ``n_1 / n`` (genes counted once / all counts; Good 1953) is spread evenly over the
    genes with no ambient count that other droplets show.
    """
    total = ambient.sum()
    share = ambient / total
    unseen = in_any & (ambient == 0)
    if unseen.any():
        mass = min(max(int((ambient == 1).sum()), 1) / total, 0.5)
        share = np.where(unseen, mass / unseen.sum(), share * (1 - mass))
    return np.asarray(share, dtype=np.float64)


def _p_values(counts: sparse.csr_matrix, depth: Counts, profile: Floats, seed: int) -> Floats:
    """Compare droplets with simulated ones, whose draws are added one by one from total to total."""
    log_share = np.log(profile, out=np.zeros(len(profile)), where=profile > 0)
    observed = counts @ log_share - _log_factorials(counts)
    levels, level_of = np.unique(depth, return_inverse=True)
    order = np.lexsort((observed, level_of))
    bounds = np.searchsorted(level_of[order], np.arange(len(levels) + 1))
    n_as_unlikely = np.zeros(len(depth), dtype=np.int64)
    cumulated = np.cumsum(profile)
    rng = np.random.default_rng(seed)
    n_draws = int(levels[-1])
    at_once = max(1, VALUES_AT_ONCE // n_draws)
    for start in range(0, N_DRAWS, at_once):
        simulated = _simulate(rng, min(at_once, N_DRAWS - start), n_draws, cumulated, log_share, levels)
        for level in range(len(levels)):
            own = order[bounds[level] : bounds[level + 1]]
            values = observed[own] + TOLERANCE * (1 + np.abs(observed[own]))
            n_as_unlikely[own] += np.searchsorted(simulated[level], values, side="right")
    return np.asarray((n_as_unlikely + 1) / (N_DRAWS + 1))


def _simulate(
    rng: np.random.Generator, n: int, n_draws: int, cumulated: Floats, log_share: Floats, levels: Counts
) -> Floats:
    """Draw ambient droplets count by count; give their sorted likelihoods (levels x n) at each total.

    The factorial of the total is the same in a simulated and a real droplet of one total, and left out.
    """
    genes = np.searchsorted(cumulated, rng.random((n, n_draws)) * cumulated[-1], side="right")
    genes = np.minimum(genes, len(cumulated) - 1)
    genes = genes.astype(np.uint16 if len(cumulated) <= 65_536 else np.int64)  # short numbers sort quicker
    order = np.argsort(genes, axis=1, kind="stable")
    sorted_genes = np.take_along_axis(genes, order, axis=1)
    at = np.broadcast_to(np.arange(n_draws), genes.shape)
    is_first = np.ones(genes.shape, dtype=bool)
    is_first[:, 1:] = sorted_genes[:, 1:] != sorted_genes[:, :-1]
    first = np.maximum.accumulate(np.where(is_first, at, 0), axis=1)
    seen = np.empty(genes.shape, dtype=np.int64)  # how often the gene was drawn so far, this time included
    np.put_along_axis(seen, order, at - first + 1, axis=1)
    likelihood = np.cumsum(log_share[genes] - np.log(seen), axis=1)
    return np.asarray(np.sort(likelihood[:, levels - 1].T, axis=1))


def _log_factorials(counts: sparse.csr_matrix) -> Floats:
    logs = sparse.csr_matrix((gammaln(counts.data + 1.0), counts.indices, counts.indptr), shape=counts.shape)
    return np.asarray(logs.sum(axis=1)).ravel()
