"""Profiles of cell types learned from the data, and the likelihood of a cell's counts under each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast

import numpy as np

from stietime.cells.count_kernels import add_log_likelihood, sum_by_label, sum_by_share, sum_where_detected
from stietime.cells.embedding.knn_graph import in_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.count_kernels import Counts

    Floats = NDArray[np.float64]

DISPERSION: Final = 1.0  # variance = mean + DISPERSION mean^2: what marker genes show within a type
PRIOR_COUNTS: Final = 2000.0  # what a profile holds of the average cell: about one cell
_DEPTHS_AT_ONCE: Final = 256  # that a thread takes before it takes more


class Depths(NamedTuple):
    """Cells by their depth, as many cells have the same.

    Parameters
    ----------
    values
        Depths that occur, rising.
    starts
        Where the cells of each depth begin, and the end.
    cells
        Rows of the cells, by depth.
    """

    values: Floats
    starts: NDArray[np.intp]
    cells: NDArray[np.intp]


def group_by_depth(totals: Floats) -> Depths:
    """Group cells by their depth.

    Parameters
    ----------
    totals
        Counts of each cell over all genes.
    """
    cells = np.argsort(totals, kind="stable")
    values, first = np.unique(totals[cells], return_index=True)
    return Depths(values.astype(np.float64), np.append(first, len(cells)), cells)


def _parts(counts: csr_matrix) -> Counts:
    return counts.indptr, counts.indices, counts.data


def learn_profiles(
    counts: csr_matrix, totals: Floats, membership: NDArray[np.intp] | Floats, prior: Floats
) -> Floats:
    """Learn the share of each gene in the RNA of each type.

    ``share = (counts + PRIOR_COUNTS prior) / (totals + PRIOR_COUNTS)``, summed over the cells of a type.

    Parameters
    ----------
    counts
        Cells x genes.
    totals
        Counts of each cell over all genes.
    membership
        Position of each cell's type, -1 for a cell that is of none; or cells x types, 0 to 1.
    prior
        Shares expected before seeing cells of a type: types x genes, or genes where membership is by types.

    Returns
    -------
    Types x genes.
    """
    by_label = membership.ndim == 1
    n_types = len(prior) if by_label else membership.shape[1]
    summed, depth = np.zeros((n_types, counts.shape[1])), np.zeros(n_types)
    if by_label:
        sum_by_label(_parts(counts), totals, cast("NDArray[np.intp]", membership), summed, depth)
    else:
        sum_by_share(_parts(counts), totals, cast("Floats", membership), summed, depth)
    shares: Floats = (summed + PRIOR_COUNTS * prior) / (depth[:, None] + PRIOR_COUNTS)
    return shares


def log_likelihood(
    counts: csr_matrix, totals: Floats, profiles: Floats, depths: Depths | None = None, *, n_threads: int = 1
) -> Floats:
    """Log-likelihood of each cell's counts under each profile, genes taken as independent.

    Counts are negative binomial with mean ``m = total share`` and variance ``m + DISPERSION m^2``; terms
    that are the same for all profiles are left out.

    Parameters
    ----------
    counts
        Cells x genes.
    totals
        Counts of each cell over all genes.
    profiles
        Types x genes, shares above 0; or 0 for a gene that no cell shows, which then says nothing.
    depths
        The totals grouped, where they are needed more than once.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    Cells x types.
    """
    values, starts, cells = depths or group_by_depth(totals)
    by_gene, found = np.ascontiguousarray(profiles.T), np.empty((counts.shape[0], len(profiles)))

    def add(some: slice) -> None:
        """Judge the cells of some depths."""
        span = (some.start, some.stop)
        depths = (values, starts, cells)
        add_log_likelihood(span, depths, _parts(counts), by_gene, 1 / DISPERSION, found)

    in_blocks(add, len(values), n_threads, _DEPTHS_AT_ONCE)
    return found


def background_shares(counts: csr_matrix, totals: Floats) -> Floats:
    """Share of each gene in all RNA: genes."""
    summed, _ = _where_detected(counts, totals)
    return summed / max(float(totals.sum()), 1.0)


def shares_where_detected(counts: csr_matrix, totals: Floats) -> Floats:
    """Share of each gene in the RNA of the cells that show it: genes."""
    summed, depth = _where_detected(counts, totals)
    return summed / np.maximum(depth, 1.0)


def _where_detected(counts: csr_matrix, totals: Floats) -> tuple[Floats, Floats]:
    summed, depth = np.zeros((2, counts.shape[1]))
    sum_where_detected(_parts(counts), totals, summed, depth)
    return summed, depth
