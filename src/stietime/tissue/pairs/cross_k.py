"""Ripley's cross-K and L of cell types, corrected for the edge of the tissue, against permuted labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.spatial import cKDTree

from stietime.tissue.pairs.join_counts import GraphSize, join_count_moments, two_sided_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.tissue.graphs.pair_kernels import PairCounts

    Floats = NDArray[np.float64]

COLUMNS: Final = (
    *("type_a", "type_b", "distance_um", "n_pairs", "expected_pairs", "z", "p"),
    *("k_um2", "l_um", "k_all_um2", "log2_ratio", "log2_null_low", "log2_null_high"),
)
# steps of the distance that edge weights are taken at, per distance of the table
SUBSTEPS: Final = 10
_ANGLES: Final = 90
_SQUARE_UM: Final = 50.0
# side of a square in median distances to the nearest cell: tissue without holes holds about 8 cells in one
_SPACINGS: Final = 6


@dataclass(frozen=True)
class Window:
    """The tissue as the squares of a grid that hold a cell.

    Parameters
    ----------
    masks
        For each field of view columns x rows of squares: which are tissue.
    sides_um
        For each field the width and the height of a square, micrometres; not quite equal, so that the grid
        ends where the cells end.
    """

    masks: tuple[NDArray[np.bool_], ...]
    sides_um: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, positions: Floats, fields: NDArray[np.integer] | None = None) -> Window:
        """Find the tissue: 50 um squares that hold a cell, or larger ones where cells lie far apart.

        Parameters
        ----------
        positions
            Cells x 2, micrometres.
        fields
            Field of view of every cell; without it all cells lie in one.
        """
        side = _SQUARE_UM
        if len(positions) > 1:
            some = positions[:: max(1, len(positions) // 10_000)]
            apart = cKDTree(positions).query(some, k=2)[0][:, 1]
            side = max(side, _SPACINGS * float(np.median(apart)))
        fields = np.zeros(len(positions), dtype=np.int64) if fields is None else fields
        found = [_squares(positions[fields == field], side) for field in np.unique(fields)]
        return cls(*(tuple(part) for part in zip(*found, strict=True)))

    @property
    def area_um2(self) -> float:
        """Area of the tissue, square micrometres."""
        return float(
            sum(mask.sum() * side.prod() for mask, side in zip(self.masks, self.sides_um, strict=True))
        )

    def overlap(self, distances_um: Floats) -> Floats:
        """Compute the area that the tissue shares with itself moved by a distance, the mean over directions.

        The set covariance of squares is exact at moves by whole squares and bilinear between them.

        Parameters
        ----------
        distances_um
            Distances, micrometres.

        Returns
        -------
        Square micrometres, one per distance.
        """
        angles = (np.arange(_ANGLES) + 0.5) * (np.pi / _ANGLES)
        moves = np.asarray(distances_um)[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        found = np.zeros(len(moves))
        for mask, side in zip(self.masks, self.sides_um, strict=True):
            found += _covariance(mask, *np.moveaxis(moves / side, 2, 0)) * side.prod()
        return found


def _squares(positions: Floats, side_um: float) -> tuple[NDArray[np.bool_], Floats]:
    """Say which squares of a field hold a cell, and how large they are."""
    span = np.ptp(positions, axis=0)
    shape = np.maximum(np.ceil(span / side_um), 1).astype(np.int64)
    side = np.where(span > 0, span / shape, side_um)
    at = np.minimum((positions - positions.min(axis=0)) // side, shape - 1).astype(np.int64)
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(at.T)] = True
    return mask, side


def _covariance(mask: NDArray[np.bool_], dx: Floats, dy: Floats) -> Floats:
    """Interpolate the number of squares that a mask shares with itself moved; the mean over the last axis."""
    shape = [next_fast_len(2 * n + 1) for n in mask.shape]
    waves = rfft2(mask.astype(float), shape)
    shared = np.rint(irfft2(np.abs(waves) ** 2, shape))
    left, down = np.floor(dx).astype(int), np.floor(dy).astype(int)
    found = np.zeros(dx.shape)
    for right, up in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x, y = left + right, down + up
        inside = (np.abs(x) < mask.shape[0]) & (np.abs(y) < mask.shape[1])
        weight = np.abs(1 - right - (dx - left)) * np.abs(1 - up - (dy - down))
        found += weight * np.where(inside, shared[x % shape[0], y % shape[1]], 0.0)
    return np.asarray(found.mean(axis=1))


def fine_distances(distances_um: Floats) -> Floats:
    """Divide the steps between distances, so that pairs of a step share one edge weight.

    Parameters
    ----------
    distances_um
        Increasing distances, micrometres.

    Returns
    -------
    `SUBSTEPS` times as many distances; every `SUBSTEPS`-th is one of the given ones.
    """
    steps = np.diff(np.concatenate([[0.0], distances_um]))
    parts = (np.arange(SUBSTEPS)[::-1] / SUBSTEPS)[None, :] * steps[:, None]
    return np.asarray((np.asarray(distances_um)[:, None] - parts).ravel())


def coarse_counts(counts: PairCounts) -> PairCounts:
    """Join the counts at `fine_distances` to those at the distances that they divide."""
    joined = counts.counts.reshape(*counts.counts.shape[:2], -1, SUBSTEPS).sum(axis=3)
    last = slice(SUBSTEPS - 1, None, SUBSTEPS)
    return counts._replace(counts=joined, n_edges=counts.n_edges[last], n_adjacent=counts.n_adjacent[last])


def cross_k_table(
    types: NDArray[np.str_],
    n_cells: NDArray[np.int64],
    fine: PairCounts,
    distances_um: Floats,
    window: Window,
) -> pd.DataFrame:
    """Compute the cross-K of every two types, and test the pairs behind it against permuted labels.

    K_ab(r) = |W|^2 / (a b) sum over pairs of a and b at most r apart of 1 / g(d), within a type with a (a-1),
    where g(d) is the area that the tissue W shares with itself moved by d, averaged over directions
    (rigid-motion correction; Ohser 1983, Math. Operationsforsch. Stat. 14, 63). L = sqrt(K / pi) is r for
    cells placed at random. Tissue is never that, so pairs are compared with all cells: `log2_ratio` is log2
    of observed over expected pairs when labels are permuted, whose exact mean and variance are those of join
    counts (`stietime.tissue.pairs.join_counts`); the edge weighs on both alike.

    Parameters
    ----------
    types, n_cells
        Names of the types and their numbers of cells.
    fine
        Pairs at `fine_distances` of the distances.
    distances_um
        The distances, micrometres.
    window
        The tissue.

    Returns
    -------
    One row for each unordered pair of types and each distance: `COLUMNS`. `log2_null_low` and
    `log2_null_high` hold 95 % of permutations at this distance; p is for this distance alone. Missing where
    nothing can vary.
    """
    outer = fine_distances(distances_um)
    inner = np.concatenate([[0.0], outer[:-1]])
    # the mean distance of pairs spread evenly over a ring
    shared = window.overlap(2 / 3 * (outer**3 - inner**3) / (outer**2 - inner**2))
    weight = np.divide(window.area_um2**2, shared, out=np.full(len(shared), np.nan), where=shared > 0)
    last = slice(SUBSTEPS - 1, None, SUBSTEPS)
    corrected = (fine.counts * weight).cumsum(axis=2)[:, :, last]
    coarse = coarse_counts(fine)
    within = coarse.counts.cumsum(axis=2)
    n, total = n_cells.astype(float), float(n_cells.sum())
    k_all = corrected.sum(axis=(0, 1)) / (total * max(total - 1, 1))
    pieces = []
    for a, b in zip(*np.triu_indices(len(types)), strict=True):
        ways = n[a] * (n[b] - (a == b))
        k = corrected[a, b] / ways if ways else np.full(len(distances_um), np.nan)
        pairs = within[a, b] // (2 if a == b else 1)
        numbers = (int(n_cells[a]), None if a == b else int(n_cells[b]))
        piece = _permuted(coarse, int(total), numbers, pairs)
        piece = piece.assign(distance_um=distances_um, k_um2=k, l_um=np.sqrt(k / np.pi), k_all_um2=k_all)
        pieces.append(piece.assign(type_a=types[a], type_b=types[b]))
    return pd.concat(pieces, ignore_index=True)[list(COLUMNS)]


def _permuted(
    counts: PairCounts, n_cells: int, numbers: tuple[int, int | None], pairs: NDArray[np.int64]
) -> pd.DataFrame:
    """Compare pairs of two types at each distance with permuted labels."""
    sizes = [
        GraphSize(n_cells, int(m), int(s)) for m, s in zip(counts.n_edges, counts.n_adjacent, strict=True)
    ]
    moments = np.array([[float(part) for part in join_count_moments(size, *numbers)] for size in sizes])
    mean, sd = moments[:, 0], np.sqrt(moments[:, 1])
    z = np.divide(pairs - mean, sd, out=np.full(len(sd), np.nan), where=sd > 0)
    p = np.where(sd > 0, two_sided_p(np.nan_to_num(z)), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log2(pairs / mean)
        low, high = (np.log2(np.maximum(mean + side * 1.96 * sd, 0) / mean) for side in (-1, 1))
    shown = {"log2_ratio": ratio, "log2_null_low": low, "log2_null_high": high}
    shown = {name: np.where(np.isfinite(values), values, np.nan) for name, values in shown.items()}
    return pd.DataFrame({"n_pairs": pairs, "expected_pairs": mean, "z": z, "p": p, **shown})
