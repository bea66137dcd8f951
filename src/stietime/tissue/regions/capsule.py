"""A capsule of fibroblasts and vessels at the boundary of tumour regions, and what lies behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.spatial import cKDTree

from stietime.tissue.regions.architecture import Ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS: Final = (
    *("capsule", "coverage", "barrier_share_at_boundary", "barrier_share_beyond", "log2_enrichment"),
    *("immune_share_inside", "immune_share_at_boundary", "immune_share_beyond", "log2_immune_inside"),
    *("n_boundary_points", "n_at_boundary", "n_beyond", "confidence", "note"),
)
MIN_CELLS: Final = 30  # at the boundary and beyond it, without which nothing is said
_BLOCKS_PER_SIDE: Final = 5


def _block_sums(
    positions: NDArray[np.float64], extent: NDArray[np.float64], weight: NDArray[Any]
) -> NDArray[np.float64]:
    """Sum over 5 x 5 blocks of the section."""
    side = max(float((extent[1] - extent[0]).max()) / _BLOCKS_PER_SIDE, 1.0)
    steps = np.clip((positions - extent[0]) // side, 0, _BLOCKS_PER_SIDE - 1).astype(np.int64)
    block = steps[:, 0] * _BLOCKS_PER_SIDE + steps[:, 1]
    return np.bincount(block, weights=np.asarray(weight, dtype=float), minlength=_BLOCKS_PER_SIDE**2)


def _log2_ratio(above: float, below: float) -> float:
    return float(np.log2(above / below)) if above > 0 and below > 0 else float("nan")


def boundary_coverage(
    positions: NDArray[np.float64],
    outside: NDArray[np.bool_],
    is_barrier: NDArray[np.bool_],
    boundary: NDArray[np.float64],
    radius_um: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say at which points of the boundary most cells just outside are fibroblasts, pericytes or vessels.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    outside, is_barrier
        Which cells lie outside tumour regions, and which are barrier cells.
    boundary
        Points x 2, micrometres.
    radius_um
        Cells outside within this distance of a point are judged.

    Returns
    -------
    For each point whether it is covered, and whether there are cells to judge by.
    """
    if not outside.any():
        nothing = np.zeros(len(boundary), dtype=bool)
        return nothing, nothing
    n = cKDTree(positions[outside]).query_ball_point(boundary, radius_um, return_length=True)
    held = outside & is_barrier
    n_barrier = (
        cKDTree(positions[held]).query_ball_point(boundary, radius_um, return_length=True)
        if held.any()
        else np.zeros(len(boundary))
    )
    return np.asarray((n > 0) & (2 * n_barrier >= n)), np.asarray(n > 0)


def capsule_score(
    positions: NDArray[np.float64],
    distance_um: NDArray[np.float64],
    boundary: NDArray[np.float64],
    *,
    is_barrier: NDArray[np.bool_],
    is_immune: NDArray[np.bool_],
    width_um: float,
    max_distance_um: float,
    min_coverage: float,
    min_enrichment: float,
) -> dict[str, Any]:
    """Score how far fibroblasts, pericytes and endothelial cells wall a tumour off.

    Coverage is the share of the boundary where they are at least half of the cells just outside; enrichment
    is their share within `width_um` outside the boundary over their share beyond (from twice that width to
    `max_distance_um`), so that a stroma that is all fibroblasts is none. A capsule has both. The confidence
    is the probability that a like section has (or has not) both, the two taken as independent, each by
    `stietime.tissue.regions.architecture.Ratio` over 5 x 5 blocks, the share beyond taken as known.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    distance_um
        Signed distance of every cell to the boundary, negative inside; may be missing.
    boundary
        Points x 2 on the boundary, micrometres.
    is_barrier, is_immune
        Which cells are fibroblasts, pericytes or endothelial cells, and which immune cells.
    width_um
        Width of the band outside the boundary where a capsule would lie, micrometres.
    max_distance_um
        Stroma farther from the boundary than this is not compared, micrometres.
    min_coverage
        Coverage from which the boundary is closed, 0 to 1.
    min_enrichment
        Ratio of the two shares from which the band differs from the stroma beyond.

    Returns
    -------
    `COLUMNS` with their values; `capsule` is None where it is not testable, and `note` has the reason.
    """
    row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    row |= {"capsule": None, "note": "", "n_boundary_points": len(boundary)}
    inside = distance_um < 0
    band = (distance_um >= 0) & (distance_um <= width_um)
    beyond = (distance_um > 2 * width_um) & (distance_um <= max_distance_um)
    row |= {"n_at_boundary": int(band.sum()), "n_beyond": int(beyond.sum())}
    for name, place in (("inside", inside), ("at_boundary", band), ("beyond", beyond)):
        row[f"immune_share_{name}"] = float(is_immune[place].mean()) if place.any() else np.nan
    row["log2_immune_inside"] = _log2_ratio(row["immune_share_inside"], row["immune_share_beyond"])
    if not len(boundary):
        return row | {"note": "the section has no boundary of a tumour region"}
    if min(row["n_at_boundary"], row["n_beyond"]) < MIN_CELLS:
        return row | {"note": f"fewer than {MIN_CELLS} cells at the boundary or beyond it"}
    extent = np.stack([positions.min(axis=0), positions.max(axis=0)])
    covered, judged = boundary_coverage(positions, distance_um >= 0, is_barrier, boundary, width_um)
    coverage = Ratio(_block_sums(boundary, extent, covered), _block_sums(boundary, extent, judged))
    everyone = np.ones(int(band.sum()))
    near = Ratio(
        _block_sums(positions[band], extent, is_barrier[band]), _block_sums(positions[band], extent, everyone)
    )
    share_beyond = float(is_barrier[beyond].mean())
    cut = min_enrichment * share_beyond
    closed, denser = coverage.value >= min_coverage, 0 < near.value >= cut
    likely = _probability(coverage, min_coverage, holds=closed) * _probability(near, cut, holds=denser)
    return row | {
        "capsule": closed and denser,
        "coverage": coverage.value,
        "barrier_share_at_boundary": near.value,
        "barrier_share_beyond": share_beyond,
        "log2_enrichment": _log2_ratio(near.value, share_beyond),
        "confidence": likely if closed and denser else 1 - likely,
    }


def _probability(ratio: Ratio, cut: float, *, holds: bool) -> float:
    """Give the probability that a like section lies at or above a cut."""
    confidence = ratio.confidence(cut)
    return confidence if holds else 1 - confidence
