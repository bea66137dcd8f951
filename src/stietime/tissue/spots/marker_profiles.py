"""Profiles of cell types from marker sets alone, learned in the section itself, where no cells are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.tissue.spots.deconvolution import MIN_MEAN_COUNT
from stietime.tissue.spots.reference_profiles import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]

MIN_MARKER_COUNTS: Final = 20  # in the whole section: with fewer a type is not told
_N_ROUNDS: Final = 100
# weight of the section's mean profile against the counts of a type, so that a rare type stays plausible
_PRIOR: Final = 0.2
_TINY: Final = 1e-12


def profiles_from_markers(
    counts: sparse.csr_matrix, genes: pd.Index, marker_genes: Mapping[str, Sequence[str]]
) -> Reference:
    """Learn profiles of types from their marker genes in the spots.

    The counts are divided into non-negative profiles and molecules (Poisson matrix factorisation; Lee & Seung
    2001, Advances in Neural Information Processing Systems 13) under the constraint that a marker gene is in
    the profiles of the types it marks and in no other. All other genes are shared out by what they go with.
    A last free component, without marker genes, takes up what no type explains. Begins at the types' marker
    counts against their means; nothing is random.

    Parameters
    ----------
    counts
        Spots x genes.
    genes
        Gene symbols.
    marker_genes
        For each type its marker genes.

    Returns
    -------
    Profiles of the types that have at least 20 counts of their own marker genes in the section;
    `counts_per_cell` is nan, as spots do not tell how much RNA a cell has.
    """
    mean = np.asarray(counts.mean(axis=0), dtype=np.float64).ravel()
    owned = np.array([genes.isin(list(named)) for named in marker_genes.values()]).reshape(-1, len(genes))
    owned &= mean > 0
    alone = owned & (owned.sum(axis=0) == 1)
    told = (alone * mean).sum(axis=1) * counts.shape[0] >= MIN_MARKER_COUNTS
    owned, alone = owned[told], alone[told]
    types = pd.Index([name for name, kept in zip(marker_genes, told, strict=True) if kept], dtype=object)
    # a marker of a type that is not told belongs to none
    used = np.flatnonzero((mean >= MIN_MEAN_COUNT) | owned.any(axis=0))
    profiles, molecules = _factorise(
        counts[:, used].toarray().astype(np.float64), owned[:, used], alone[:, used]
    )
    summed = profiles * molecules.sum(axis=0)[:, None]
    counts_per_cell = np.full(len(types), np.nan)
    chosen = pd.Index(genes[used].astype(object))
    return Reference(types, chosen, profiles, summed[: len(types)], counts_per_cell)


def _factorise(counts: Floats, owned: NDArray[np.bool_], alone: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    n_types = len(owned)
    total, mean = counts.sum(axis=1, keepdims=True), counts.sum(axis=0) / counts.sum()
    allowed = np.vstack([owned | ~owned.any(axis=0), ~owned.any(axis=0)[None]])
    prior = np.where(allowed, mean, 0.0)
    prior /= np.maximum(prior.sum(axis=1, keepdims=True), _TINY)
    seen = np.column_stack([counts[:, own].sum(axis=1) for own in alone]) if n_types else total[:, :0]
    begun = (seen + 0.5 * seen.mean(axis=0)) / np.maximum(seen.mean(axis=0), _TINY)
    begun /= np.maximum(begun.sum(axis=1, keepdims=True), _TINY)
    molecules = np.hstack([0.8 * begun * total, 0.2 * total])
    profiles, strength = prior.copy(), _PRIOR * counts.sum() / (n_types + 1)
    for _ in range(_N_ROUNDS):
        ratio = counts / np.maximum(molecules @ profiles, _TINY)
        profiles = profiles * (molecules.T @ ratio) + strength * prior
        profiles /= np.maximum(profiles.sum(axis=1, keepdims=True), _TINY)
        ratio = counts / np.maximum(molecules @ profiles, _TINY)
        molecules = molecules * (ratio @ profiles.T)
    return np.maximum(profiles[:n_types], _TINY), molecules[:, :n_types]
