"""Lymphoid hot spots of a section of spots: where B cells, T cells and a signature concentrate together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import stats
from scipy.sparse.csgraph import connected_components

from stietime.tissue.false_discovery import adjusted
from stietime.tissue.regions.spot_regions import with_neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

COLUMNS: Final = (
    *("hotspot", "x_um", "y_um", "n_spots", "area_mm2", "b_share", "t_share", "dc_share"),
    *("signature", "signature_elsewhere", "z_signature", "z_lymphoid", "q", "distance_to_boundary_um"),
)
ALPHA: Final = 0.05
_FEWEST_SPOTS: Final = 20


def local_excess(graph: csr_array, values: Floats) -> tuple[Floats, Floats]:
    """Judge the sum of each spot and its neighbours against that of as many spots drawn at random.

    Getis and Ord's local statistic with the spot itself, Gi* (Ord & Getis 1995, Geogr. Analysis 27, 286).
    Of n of N spots with mean m, sum S2 of squares and S3 of cubes about it, without replacement, exactly

        E = n m    Var = n (N - n) S2 / (N (N - 1))    M3 = n (N - n) (N - 2n) S3 / (N (N - 1) (N - 2))

    Parameters
    ----------
    graph
        Spots x spots: neighbours.
    values
        One per spot, none missing.

    Returns
    -------
    z, and p of so large a sum by the Pearson type III distribution; missing where nothing varies.
    """
    total = len(values)
    n = 1.0 + np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    apart = values - values.mean()
    excess = apart + graph @ apart
    variance = n * (total - n) * (apart**2).sum() / (total * (total - 1))
    third = n * (total - n) * (total - 2 * n) * (apart**3).sum() / (total * (total - 1) * (total - 2))
    varies = variance > 1e-12 * (values**2).sum()
    safe = np.where(varies, variance, 1.0)
    z = np.where(varies, excess / np.sqrt(safe), np.nan)
    p = stats.pearson3.sf(np.nan_to_num(z), third / safe**1.5)
    return z, np.where(varies, np.clip(p, np.finfo(float).tiny, 1.0), np.nan)


@dataclass(frozen=True)
class Hotspots:
    """Hot spots of a section.

    Parameters
    ----------
    number
        Hot spot of every spot from 1, 0 for none.
    z_signature, z_lymphoid
        Local excess of the signature, and of B and T cells in the same spots.
    q
        Of the larger p of both.
    note
        Why nothing can be told; empty otherwise.
    """

    number: Ints
    z_signature: Floats
    z_lymphoid: Floats
    q: Floats
    note: str = ""

    @property
    def n(self) -> int:
        """Number of hot spots."""
        return int(self.number.max(initial=0))


def lymphoid_hotspots(
    graph: csr_array, b: Floats, t: Floats, signature: Floats, *, min_share: float, alpha: float = ALPHA
) -> Hotspots:
    """Find where B cells, T cells and a signature of lymphoid structures concentrate together.

    The geometric mean of the shares of B and T cells is high only where both are in one spot (after the
    product that Andersson et al. 2021, Nature Communications 12, 6012, score structures with). A spot is hot
    when this and the signature both exceed chance around it (q of the larger p, over all spots, at most
    `alpha`), and when B and T cells each reach `min_share` in spot and ring. Touching hot spots are one.

    Parameters
    ----------
    graph
        Spots x spots: neighbours.
    b, t
        Shares of B and of T cells in the RNA of each spot; may be missing.
    signature
        Score of the signature in each spot.
    min_share
        Smallest share of either.
    alpha
        Largest q.
    """
    n = len(b)
    if n < _FEWEST_SPOTS:
        return _not_testable(n, f"{n} spots, {_FEWEST_SPOTS} needed for lymphoid hot spots")
    known = np.isfinite(b) & np.isfinite(t) & np.isfinite(signature)
    if known.sum() < _FEWEST_SPOTS:
        what = "no signature" if np.isfinite(b + t).any() else "no profile of B and of T cells"
        return _not_testable(n, f"{what}: lymphoid hot spots not testable")
    both = np.sqrt(np.maximum(b, 0.0) * np.maximum(t, 0.0))
    # a spot of which nothing is known tells nothing about its neighbours
    both, told = (np.where(known, values, values[known].mean()) for values in (both, signature))
    z_both, p_both = local_excess(graph, both)
    z_signature, p_signature = local_excess(graph, told)
    p = np.maximum(p_both, p_signature)
    q = adjusted(pd.Series(p)).to_numpy()
    enough = (with_neighbours(graph, b) >= min_share) & (with_neighbours(graph, t) >= min_share)
    hot = np.flatnonzero((q <= alpha) & enough & known)
    number = np.zeros(n, dtype=np.int64)
    if len(hot):
        number[hot] = connected_components(graph[hot][:, hot], directed=False)[1] + 1
    return Hotspots(number, z_signature, z_both, q)


def _not_testable(n: int, note: str) -> Hotspots:
    missing = np.full(n, np.nan)
    return Hotspots(np.zeros(n, dtype=np.int64), missing, missing, missing, note)


def hotspot_table(found: Hotspots, spots: pd.DataFrame, pitch_um: float) -> pd.DataFrame:
    """Describe the hot spots.

    Parameters
    ----------
    found
        As `lymphoid_hotspots` gives it.
    spots
        Of every spot: x_um, y_um, b_share, t_share, dc_share, signature, distance_to_boundary_um; what is not
        known is missing.
    pitch_um
        Distance of the centres of neighbouring spots, micrometres: a spot stands for its square.

    Returns
    -------
    `COLUMNS`, one row per hot spot: means over its spots, the largest z and the smallest q.
    """
    table = spots.assign(hotspot=found.number, q=found.q)
    table = table.assign(z_signature=found.z_signature, z_lymphoid=found.z_lymphoid)
    outside = table.loc[table["hotspot"] == 0, "signature"].mean()
    groups = table[table["hotspot"] > 0].groupby("hotspot")
    means = ["x_um", "y_um", "b_share", "t_share", "dc_share", "signature", "distance_to_boundary_um"]
    described = groups[means].mean().join(groups[["z_signature", "z_lymphoid"]].max()).join(groups["q"].min())
    described = described.assign(n_spots=groups.size(), signature_elsewhere=outside)
    described["area_mm2"] = described["n_spots"] * (pitch_um / 1000) ** 2
    return described.reset_index()[list(COLUMNS)]
