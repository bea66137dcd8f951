"""How near the cells of one group are to those of another, against the labels permuted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial import cKDTree

from stietime.tissue.false_discovery import adjusted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

COLUMNS: Final = (
    *("from", "to", "background", "n_from", "n_to", "n_background", "median_um", "expected_um"),
    *("share_within", "expected_within", "within_um", "z", "p", "q", "note"),
)
MIN_CELLS: Final = 5
ALL: Final = "all cells"
SAME_REGION: Final = "same region"
SAME_LINEAGE: Final = "same lineage"


def nearest_distance(positions: NDArray[np.float64], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Measure how far every cell is from the nearest cell of a group.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one section only.
    targets
        Which cells belong to the group.

    Returns
    -------
    Micrometres, 0 for the group's own cells; infinite when the group has none.
    """
    if not targets.any():
        return np.full(len(positions), np.inf)
    distance, _ = cKDTree(positions[targets]).query(positions)
    return np.asarray(distance)


def rank_z(
    values: NDArray[np.float64], chosen: NDArray[np.bool_], strata: NDArray[np.integer]
) -> tuple[float, float]:
    """Compare the ranks of the chosen cells with those of cells drawn at random, stratum by stratum.

    The null hypothesis permutes who is chosen among the cells of each stratum. The sum of the chosen cells'
    ranks (ties share their mean) then has, with n_s chosen of N_s cells of mean rank m_s and variance v_s
    (N_s - 1 below),

        E = sum n_s m_s        Var = sum n_s (1 - n_s / N_s) v_s

    exactly (sampling without replacement; van Elteren 1960, Bull. Int. Stat. Inst. 37, 351, for the strata).

    Parameters
    ----------
    values
        One value per cell, such as a distance.
    chosen
        The cells of the group.
    strata
        Stratum of every cell, numbers from 0.

    Returns
    -------
    z (negative when the chosen have the smaller values) and the two-sided p by the normal approximation;
    missing where the variance is 0.
    """
    ranks = stats.rankdata(values)
    n_all = np.bincount(strata)
    n_chosen = np.bincount(strata[chosen], minlength=len(n_all))
    size = np.maximum(n_all, 1)
    mean = np.bincount(strata, weights=ranks) / size
    spread = np.bincount(strata, weights=(ranks - mean[strata]) ** 2) / np.maximum(n_all - 1, 1)
    variance = float((n_chosen * (1 - n_chosen / size) * spread).sum())
    if variance <= 0:
        return float("nan"), float("nan")
    z = float((ranks[chosen].sum() - (n_chosen * mean).sum()) / np.sqrt(variance))
    return z, float(max(2 * stats.norm.sf(abs(z)), np.nextafter(0, 1)))


def proximity(
    positions: NDArray[np.float64],
    groups: Mapping[str, NDArray[np.bool_]],
    pairs: Sequence[tuple[str, str]],
    *,
    backgrounds: Mapping[str, NDArray[np.integer]],
    within_um: float,
) -> pd.DataFrame:
    """Compare nearest distances between groups with those of other cells of the section.

    For each pair the group's cells are compared with all cells that are not targets, whose places the
    permuted labels could have given them; within the strata of the background, such as regions, when it has
    several. `expected_um` is the median over the background with the strata weighted as the group's cells
    are, `expected_within` likewise.

    Parameters
    ----------
    positions
        Cells x 2, micrometres; the cells of one section only.
    groups
        For each name, which cells belong to it.
    pairs
        From which group to which, by name.
    backgrounds
        For each name, the stratum of every cell, from 0; cells of a negative stratum take no part.
    within_um
        Distance within which a target counts as near, micrometres.

    Returns
    -------
    `COLUMNS`, one row per pair and background; q is Benjamini and Hochberg's over the tested rows. Not
    testable with fewer than 5 cells of either group, or without other cells to compare with; `note` says so.
    """
    distances = {name: nearest_distance(positions, groups[name]) for name in {to for _, to in pairs}}
    rows = [
        _row(groups, pair, distances[pair[1]], background, strata, within_um)
        for pair in pairs
        for background, strata in backgrounds.items()
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["q"] = adjusted(table["p"])
    return table


def _row(
    groups: Mapping[str, NDArray[np.bool_]],
    pair: tuple[str, str],
    distance: NDArray[np.float64],
    background: str,
    strata: NDArray[np.integer],
    within_um: float,
) -> dict[str, object]:
    source, target = (groups[name] for name in pair)
    part = ~target & (strata >= 0)
    chosen = source & part
    held = part & np.isin(strata, np.unique(strata[chosen]))
    n_from, n_to, n_other = int(chosen.sum()), int(target.sum()), int((held & ~chosen).sum())
    row: dict[str, object] = dict.fromkeys(COLUMNS, np.nan)
    row |= {"from": pair[0], "to": pair[1], "background": background, "n_from": n_from, "n_to": n_to}
    row |= {"n_background": n_other, "within_um": within_um, "note": ""}
    if min(n_from, n_to) < MIN_CELLS:
        return row | {"note": f"fewer than {MIN_CELLS} cells of a group"}
    row |= {
        "median_um": float(np.median(distance[chosen])),
        "share_within": float((distance[chosen] <= within_um).mean()),
    }
    if not n_other:
        return row | {"note": "no other cells to compare with"}
    mine, values = chosen[held], distance[held]
    _, level = np.unique(strata[held], return_inverse=True)
    weight = (np.bincount(level[mine], minlength=level.max() + 1) / np.bincount(level))[level]
    z, p = rank_z(values, mine, level)
    return row | {
        "expected_um": _weighted_median(values, weight),
        "expected_within": float(np.average(values <= within_um, weights=weight)),
        "z": z,
        "p": p,
        "note": "" if np.isfinite(z) else "all cells are equally far",
    }


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
