"""Shares of cell types in spots: counts as a mixture of reference profiles, negative binomial.

The model is that of RCTD (Cable et al. 2022, Nature Biotechnology 40, 517) and stereoscope (Andersson et al.
2020, Communications Biology 3, 565):

    y_sg ~ NB(mean m_sg, dispersion phi),    m_sg = e_g sum_k w_sk r_kg,    w_sk >= 0

with r_k the profile of type k (shares of its RNA over genes), w_sk the molecules of spot s that are from type
k, and e_g the efficiency of the spots' platform for gene g against the reference's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from stietime.tissue.spots.reference_profiles import Reference  # noqa: TC001 - part of the methods' signatures

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# RCTD's defaults: 0.75 natural-log units above the mean of the other types, and 2 in 10,000 molecules
MIN_LOG_FOLD: Final = 0.75
MIN_SHARE: Final = 2e-4
MIN_MEAN_COUNT: Final = 0.05  # per spot: a rarer gene says nothing
_SCALING_PRIOR: Final = 5.0  # counts that hold a gene's efficiency at 1
_N_ROUNDS: Final = 100
_BLOCK: Final = 2000  # spots fitted at once: bounds the memory
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Mixture:
    """What the spots consist of.

    Parameters
    ----------
    types
        Names of the types.
    molecules
        Spots x types: molecules of the spot that are from the type, over all genes of the reference.
    standard_errors
        Spots x types: standard errors of the shares.
    counts_per_cell
        Mean molecules of a cell of each type.
    dispersion
        Dispersion of the counts about the mixture.
    genes
        The genes that were used.
    efficiency
        Efficiency of the spots' platform for each of them.
    n_counts
        Molecules of each spot in these genes.
    """

    types: pd.Index
    molecules: Floats
    standard_errors: Floats
    counts_per_cell: Floats
    dispersion: float
    genes: pd.Index
    efficiency: Floats
    n_counts: Floats

    @property
    def shares(self) -> Floats:
        """Spots x types: share of the spot's RNA; missing for a spot without counts."""
        return _shares(self.molecules)

    @property
    def cell_shares(self) -> Floats:
        """Spots x types: share of the spot's cells, by the molecules that a cell of each type has."""
        return _shares(self.molecules / self.counts_per_cell)


def _shares(amounts: Floats) -> Floats:
    total = amounts.sum(axis=1, keepdims=True)
    return np.divide(amounts, total, out=np.full_like(amounts, np.nan), where=total > 0)


def informative_genes(reference: Reference, mean_counts: Floats) -> NDArray[np.intp]:
    """Choose the genes that tell types apart, by RCTD's rule.

    Parameters
    ----------
    reference
        The profiles.
    mean_counts
        Mean count per spot of each gene of the reference.

    Returns
    -------
    Positions of genes that in some type have at least 2 of 10,000 molecules and are exp(0.75) times as
    frequent as in the mean of the other types, and that the spots show at least once in 20 spots.
    """
    profiles = reference.profiles
    others = (profiles.sum(axis=0) - profiles) / max(len(profiles) - 1, 1)
    fold = np.log(np.maximum(profiles, _TINY) / np.maximum(others, _TINY))
    frequent = reference.counts / reference.counts.sum(axis=1, keepdims=True) >= MIN_SHARE
    marks = ((fold >= MIN_LOG_FOLD) & frequent).any(axis=0)
    return np.flatnonzero(marks & (mean_counts >= MIN_MEAN_COUNT))


def fit_molecules(
    counts: sparse.csr_matrix,
    profiles: Floats,
    dispersion: float = 0.0,
    start: Floats | None = None,
    n_rounds: int = _N_ROUNDS,
) -> Floats:
    """Fit the molecules of each type in each spot, by multiplicative updates that never lower the likelihood.

    With m = w r the updates are w <- w ((y / m) r') / (((1 + phi y) / (1 + phi m)) r'): the EM algorithm of
    the Poisson mixture at phi = 0 (Richardson 1972; Lucy 1974), else that of the negative binomial (Gouvert,
    Oberlin & Fevotte 2020, IEEE Signal Processing Letters 27, 815).

    Parameters
    ----------
    counts
        Spots x genes.
    profiles
        Types x genes, at least 0.
    dispersion
        phi: the variance of a count is m + phi m^2.
    start
        Spots x types to begin with; even shares of the spot's counts when left out.
    n_rounds
        Number of updates.

    Returns
    -------
    Spots x types.
    """
    found = np.empty((counts.shape[0], len(profiles)))
    for first in range(0, len(found), _BLOCK):
        rows = slice(first, first + _BLOCK)
        block = counts[rows].toarray().astype(np.float64)
        total = block.sum(axis=1, keepdims=True)
        # a type at exactly 0 could not come back
        weights = np.repeat(total / len(profiles), len(profiles), axis=1)
        if start is not None:
            weights = start[rows] + 1e-6 * total
        for _ in range(n_rounds):
            mean = np.maximum(weights @ profiles, _TINY)
            below = ((1 + dispersion * block) / (1 + dispersion * mean)) if dispersion else np.ones_like(mean)
            weights = weights * ((block / mean) @ profiles.T) / np.maximum(below @ profiles.T, _TINY)
        found[rows] = weights
    return found


def estimate_dispersion(counts: sparse.csr_matrix, profiles: Floats, molecules: Floats) -> float:
    """Estimate the dispersion of counts about their mixture by moments: sum((y - m)^2 - m) / sum(m^2)."""
    above = below = 0.0
    for first in range(0, len(molecules), _BLOCK):
        rows = slice(first, first + _BLOCK)
        mean = molecules[rows] @ profiles
        above += float(((counts[rows].toarray() - mean) ** 2 - mean).sum())
        below += float((mean**2).sum())
    return max(above / below, 1e-3) if below else 1e-3


def _fit(counts: sparse.csr_matrix, profiles: Floats) -> tuple[Floats, float]:
    plain = fit_molecules(counts, profiles)
    dispersion = estimate_dispersion(counts, profiles, plain)
    return fit_molecules(counts, profiles, dispersion, plain), dispersion


def share_errors(molecules: Floats, profiles: Floats, dispersion: float) -> Floats:
    """Compute standard errors of the shares from the Fisher information of the molecules.

    The information of w is sum_g r_kg r_lg / (m_g + phi m_g^2); its inverse is carried over to the shares
    p = w / sum(w) by their derivatives. A type that was fitted at 0 is on the boundary, where the error is
    that of the free estimate and serves as a bound.

    Parameters
    ----------
    molecules, profiles, dispersion
        See `fit_molecules`.

    Returns
    -------
    Spots x types; missing for a spot without counts.
    """
    n_types = len(profiles)
    errors = np.full(molecules.shape, np.nan)
    for spot in np.flatnonzero(molecules.sum(axis=1) > 0):
        total = molecules[spot].sum()
        mean = np.maximum(molecules[spot] @ profiles, _TINY)
        information = (profiles / (mean + dispersion * mean**2)) @ profiles.T
        ridge = 1e-9 * np.trace(information) * np.eye(n_types)
        covariance = np.linalg.inv(information + ridge)
        slope = (np.eye(n_types) - (molecules[spot] / total)[:, None]) / total
        variance = np.einsum("kl,lm,km->k", slope, covariance, slope)
        errors[spot] = np.sqrt(np.maximum(variance, 0))
    return errors


def deconvolve(
    counts: sparse.csr_matrix, genes: pd.Index, reference: Reference, *, scale_genes: bool = True
) -> Mixture:
    """Say what every spot consists of.

    1. Genes that tell the types apart are chosen (`informative_genes`).
    2. The spots are fitted; the efficiency of each gene is the sum of its counts over that of the fit, held
       at 1 by a few counts, once, as RCTD does; and the spots are fitted again.
    3. Standard errors are computed (`share_errors`).

    Nothing is random, and a spot's result depends on the others only by the efficiencies and the dispersion.

    Parameters
    ----------
    counts
        Spots x genes, whole counts.
    genes
        Gene symbols.
    reference
        Profiles of the types.
    scale_genes
        Whether the reference is from another platform, so that genes have efficiencies of their own.
    """
    where = genes.get_indexer(reference.genes)
    shared = np.flatnonzero(where >= 0)
    totals = np.zeros(len(reference.genes))
    totals[shared] = np.asarray(counts.sum(axis=0)).ravel()[where[shared]]
    chosen = informative_genes(reference, totals / max(counts.shape[0], 1))
    matrix = sparse.csr_matrix(counts[:, where[chosen]])
    profiles = reference.profiles[:, chosen]
    efficiency = np.ones(len(chosen))
    molecules, dispersion = _fit(matrix, profiles)
    if scale_genes:
        fitted = molecules.sum(axis=0) @ profiles
        efficiency = (totals[chosen] + _SCALING_PRIOR) / (fitted + _SCALING_PRIOR)
        efficiency = efficiency / np.average(efficiency, weights=fitted)
        molecules, dispersion = _fit(matrix, profiles * efficiency)
    return Mixture(
        types=reference.types,
        molecules=molecules,
        standard_errors=share_errors(molecules, profiles * efficiency, dispersion),
        counts_per_cell=reference.counts_per_cell,
        dispersion=dispersion,
        genes=reference.genes[chosen],
        efficiency=efficiency,
        n_counts=np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel(),
    )
