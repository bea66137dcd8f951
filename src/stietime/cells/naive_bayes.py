"""Profiles of cell types learned from the data, and the likelihood of a cell's counts under each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Floats = NDArray[np.float64]

DISPERSION: Final = 1.0  # variance = mean + DISPERSION mean^2: what marker genes show within a type
PRIOR_COUNTS: Final = 2000.0  # what a profile holds of the average cell: about one cell


def learn_profiles(
    counts: csr_matrix, totals: Floats, membership: csr_matrix | Floats, prior: Floats
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
        Cells x types, 0 to 1.
    prior
        Shares expected before seeing cells of a type: types x genes, or genes.

    Returns
    -------
    Types x genes.
    """
    weights = sparse.csr_matrix(membership)
    summed = (weights.T @ counts).toarray()
    depth = np.asarray(weights.T @ totals).ravel()[:, None]
    shares: Floats = (summed + PRIOR_COUNTS * prior) / (depth + PRIOR_COUNTS)
    return shares


def log_likelihood(counts: csr_matrix, totals: Floats, profiles: Floats) -> Floats:
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
        Types x genes, shares above 0.

    Returns
    -------
    Cells x types.
    """
    size = 1 / DISPERSION
    cell = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    # what genes without a count say depends on the total alone: once per total that occurs
    depths, which = np.unique(totals, return_inverse=True)
    found = np.empty((counts.shape[0], len(profiles)))
    for column, profile in enumerate(profiles):
        empty = -size * np.log1p(np.outer(depths, profile) / size).sum(axis=1)
        mean = totals[cell] * profile[counts.indices]
        present = counts.data * np.log(mean / (mean + size))
        found[:, column] = empty[which] + np.bincount(cell, present, minlength=counts.shape[0])
    return found


def background_shares(counts: csr_matrix, totals: Floats) -> Floats:
    """Share of each gene in all RNA: genes."""
    shares: Floats = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel() / max(float(totals.sum()), 1.0)
    return shares


def shares_where_detected(counts: csr_matrix, totals: Floats) -> Floats:
    """Share of each gene in the RNA of the cells that show it: genes."""
    seen = (counts > 0).astype(np.float64)
    depth = np.asarray(seen.T @ totals).ravel()
    return np.asarray(counts.sum(axis=0), dtype=np.float64).ravel() / np.maximum(depth, 1.0)
