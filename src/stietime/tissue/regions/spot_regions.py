"""Tumour regions of a section of spots, by the shares of their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.sparse.csgraph import connected_components

from stietime.tissue.regions.architecture import Measures, Ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Floats = NDArray[np.float64]

RINGS: Final = 1.5  # times the pitch: the 6 neighbours of a hexagonal and the 8 of a square grid
# as in the regions of cells: half of the level that the tumour's interior reaches
_INTERIOR_QUANTILE: Final = 0.75
_HALF: Final = 0.5
_BLOCKS_PER_SIDE: Final = 5
_NOTHING: Final = np.zeros(1)


def with_neighbours(graph: csr_array, values: Floats) -> Floats:
    """Take the mean of each spot and its neighbours; missing values count for none."""
    known = np.isfinite(values)
    above = np.where(known, values, 0.0)
    n = known + graph @ known.astype(np.float64)
    mean = np.divide(above + graph @ above, n, out=np.full(len(values), np.nan), where=n > 0)
    return np.asarray(mean)


def tumour_score(graph: csr_array, molecules: Floats, total: Floats) -> Floats:
    """Score how much of a tumour a spot and its ring are.

    The geometric mean of the share of the RNA that is from tumour cells and of its amount, each of the spot
    with its neighbours; the amount is taken against the upper quartile over spots that are mostly tumour and
    stops at 1. The share alone would call a spot of fat with a few leaked molecules a tumour, the amount
    alone any dense tissue.

    Parameters
    ----------
    graph
        Spots x spots: neighbours.
    molecules
        Molecules of each spot that are from tumour cells.
    total
        Molecules of each spot.

    Returns
    -------
    0 to 1 for each spot; missing where a spot and its neighbours have no molecules.
    """
    near, all_near = with_neighbours(graph, molecules), with_neighbours(graph, total)
    share = np.divide(near, all_near, out=np.full(len(near), np.nan), where=all_near > 0)
    mostly = share >= _HALF
    level = float(np.quantile(near[mostly], _INTERIOR_QUANTILE)) if mostly.any() else float(np.nanmax(near))
    amount = np.minimum(near / level, 1.0) if level > 0 else np.zeros(len(near))
    return np.asarray(np.sqrt(share * amount))


def tumour_spots(
    graph: csr_array, score: Floats, *, min_score: float = 0.2, min_spots: int = 3
) -> NDArray[np.bool_]:
    """Find the spots inside tumour regions.

    A spot is inside when its score is at least half of the upper quartile of the scores above `min_score`,
    and at least `min_score`; pieces with fewer than `min_spots` spots are no regions.

    Parameters
    ----------
    graph
        Spots x spots: neighbours.
    score
        See `tumour_score`.
    min_score
        Smallest score inside a region.
    min_spots
        Smallest number of spots of a region.
    """
    reached = score >= min_score
    if not reached.any():
        return np.zeros(len(score), dtype=bool)
    inside = score >= max(min_score, _HALF * float(np.quantile(score[reached], _INTERIOR_QUANTILE)))
    rows = np.flatnonzero(inside)
    _, piece = connected_components(graph[rows][:, rows], directed=False)
    inside[rows] = (np.bincount(piece) >= min_spots)[piece]
    return np.asarray(inside)


def spot_measures(
    positions: Floats, *, immune: Floats, tumour: Floats, inside: NDArray[np.bool_], pitch_um: float
) -> Measures:
    """Measure what desert, excluded and infiltrated are decided on, by shares instead of cells.

    Sums are kept by up to 5 x 5 blocks of tissue, as for cells. Contacts and numbers of cells per area are
    not measured in spots: the mixing score and the density have no value.

    Parameters
    ----------
    positions
        Spots x 2, micrometres.
    immune, tumour
        Share of immune and of tumour cells in each spot; spots with missing shares count for none.
    inside
        Which spots lie in tumour regions.
    pitch_um
        Distance of the centres of neighbouring spots.
    """
    known = np.isfinite(immune)
    corner, side = positions.min(axis=0), float(np.ptp(positions, axis=0).max()) / _BLOCKS_PER_SIDE
    steps = np.clip((positions - corner) // max(side, pitch_um), 0, _BLOCKS_PER_SIDE - 1).astype(np.int64)
    block = steps[:, 0] * _BLOCKS_PER_SIDE + steps[:, 1]

    def _by_block(weight: Floats, chosen: NDArray[np.bool_]) -> Floats:
        return np.bincount(block[chosen], weights=weight[chosen], minlength=_BLOCKS_PER_SIDE**2)

    ones, within = np.ones(len(block)), known & inside
    none = Ratio(_NOTHING, _NOTHING)
    return Measures(
        n_cells=len(positions),
        n_tumour=int(((np.nan_to_num(tumour) >= _HALF) | inside).sum()),
        n_immune=int((np.nan_to_num(immune) >= _HALF).sum()),
        n_inside=int(inside.sum()),
        area_mm2=len(positions) * (pitch_um / 1000) ** 2,
        immune_density=none,
        immune_share=Ratio(_by_block(immune, known), _by_block(ones, known)),
        mixing=none,
        infiltration=Ratio(_by_block(immune, within), _by_block(ones, within)),
    )
