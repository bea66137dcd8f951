"""Cells whose type is plain from their marker scores alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.cells.cell_types import ERYTHROID, MIN_COVERAGE, SETS, WITHIN_LINEAGE
from stietime.cells.gene_families import in_family
from stietime.cells.normalisation import log_normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.marker_sets import MarkerSets

    Floats = NDArray[np.float64]

_NO_SCORE: Final = -2.0  # below every score
MIN_DETECTED: Final = 2  # positive genes a clear cell shows
MIN_HAEMOGLOBIN_SHARE: Final = 0.1  # of a clear erythroid cell that shows haemoglobin and little else


def marker_scores(counts: csr_matrix, totals: Floats, sets: MarkerSets) -> Floats:
    """Score marker sets: mean saturating expression of the positive genes minus that of the negative ones.

    Expression ``x = log(1 + 10,000 count / total)`` enters as ``x / (1 + x)``, so that one strong gene does
    not stand for many; genes count by their weight in the marker table.

    Parameters
    ----------
    counts
        Cells x genes of `sets`.
    totals
        Counts of each cell over all genes.
    sets
        Marker sets.

    Returns
    -------
    Cells x sets, from -1 to 1; minus infinity where too few genes of a set are in the data.
    """
    expression = log_normalise(counts, cell_totals=totals).astype(np.float64)
    expression.data = expression.data / (1 + expression.data)
    parts = [
        (expression @ matrix).toarray() / np.maximum(np.asarray(matrix.sum(axis=0)).ravel(), 1e-12)
        for matrix in (sets.positive, sets.negative)
    ]
    scores: Floats = parts[0] - parts[1]
    scores[:, (sets.coverage["coverage"] < MIN_COVERAGE).to_numpy()] = -np.inf
    return scores


def find_clear_cells(
    counts: csr_matrix,
    totals: Floats,
    sets: MarkerSets,
    *,
    min_margin: float = 0.15,
    min_type_margin: float = 0.1,
) -> NDArray[np.intp]:
    """Find the cells whose type is plain.

    A clear cell scores for one lineage `min_margin` above all others and for one type of it
    `min_type_margin` above the others, and shows at least two positive genes. Haemoglobin is the commonest
    ambient RNA, so a clear erythroid cell either spends a tenth of its RNA on it or shows two other
    erythroid genes.

    Parameters
    ----------
    counts
        Cells x genes of `sets`.
    totals
        Counts of each cell over all genes.
    sets
        The sets of `cell_types.SETS`, in that order.
    min_margin
        Lead over the second lineage.
    min_type_margin
        Lead over the second type of the same lineage.

    Returns
    -------
    Position of the set of each cell, -1 for cells that are not clear.
    """
    scores = marker_scores(counts, totals, sets)
    lineage = np.array([SETS[name][1] for name in sets.set_ids])
    within = np.isin(sets.set_ids, list(WITHIN_LINEAGE))
    best, own = _best_where(scores, ~within[None, :])
    mine = lineage == lineage[best][:, None]
    clear = own - _best_where(scores, ~mine & ~within)[1] >= min_margin
    clear &= own > 0
    detected = ((counts > 0).astype(np.float64) @ (sets.positive > 0).astype(np.float64)).toarray()
    clear &= np.take_along_axis(detected, best[:, None], axis=1).ravel() >= MIN_DETECTED
    clear &= ~((lineage[best] == ERYTHROID) & _only_ambient_haemoglobin(counts, totals, sets))
    kind, lead = _type_within(scores, mine, sets)
    return np.where(clear & (lead >= min_type_margin), kind, -1)


def _best_where(scores: Floats, allowed: NDArray[np.bool_]) -> tuple[NDArray[np.intp], Floats]:
    """Find the position and the value of the best score among those allowed; without any, `_NO_SCORE`."""
    masked = np.where(allowed & np.isfinite(scores), scores, _NO_SCORE)
    best = masked.argmax(axis=1)
    return best, np.take_along_axis(masked, best[:, None], axis=1).ravel()


def _type_within(
    scores: Floats, mine: NDArray[np.bool_], sets: MarkerSets
) -> tuple[NDArray[np.intp], Floats]:
    """Choose the set of each cell's type among those of its lineage, and its lead over other types."""
    kinds = np.array([SETS[name][0] for name in sets.set_ids])
    parts = np.isin(sets.set_ids, list(WITHIN_LINEAGE))
    whole = np.isin(sets.set_ids, list(WITHIN_LINEAGE.values()))
    parts_known = np.isfinite(scores[:, parts]).all()
    allowed = mine & ~(whole if parts_known else parts)
    best, own = _best_where(scores, allowed)
    _, second = _best_where(scores, allowed & (kinds != kinds[best][:, None]))
    return best, own - second


def _only_ambient_haemoglobin(counts: csr_matrix, totals: Floats, sets: MarkerSets) -> NDArray[np.bool_]:
    haemoglobin = in_family(sets.genes, "hb")
    erythroid = np.isin(sets.genes, sets.genes_of(ERYTHROID)) & ~haemoglobin
    share = np.asarray(counts[:, haemoglobin].sum(axis=1)).ravel() / np.maximum(totals, 1)
    others = np.asarray((counts[:, erythroid] > 0).sum(axis=1)).ravel()
    return np.asarray((share < MIN_HAEMOGLOBIN_SHARE) & (others < MIN_DETECTED))
