"""Niches: neighbourhoods of like composition, the same in all sections, as many as are found again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stietime.tissue.structures.windows import Windows

NUMBER_COLUMNS: Final = ("n_niches", "lowest_jaccard", "mean_jaccard", "chosen", "note")
_MOST_WINDOWS: Final = 40_000  # in all, the same number from each section
_STARTS: Final = 5
_RICH_FOLD: Final = 1.5
_RICH_SHARE: Final = 0.1
_MOST_NAMES: Final = 3


@dataclass(frozen=True)
class Draw:
    """Windows of all sections that niches are fitted on.

    Parameters
    ----------
    whole, first, second
        Windows x types: the composition of the whole window and of its two halves.
    """

    whole: NDArray[np.float32]
    first: NDArray[np.float32]
    second: NDArray[np.float32]


@dataclass(frozen=True)
class Niches:
    """The niches of a cohort.

    Parameters
    ----------
    centres
        Niches x types: mean composition; without rows where none was found.
    jaccard
        For each niche, how far its cells are found again by the other half of their neighbours.
    numbers
        `NUMBER_COLUMNS`: what was found for each number of niches that was tried.
    """

    centres: NDArray[np.float64]
    jaccard: NDArray[np.float64]
    numbers: pd.DataFrame


def draw_windows(sections: Iterable[Windows], n_sections: int, seed: int) -> Draw:
    """Draw the same number of windows from each section, so that large ones do not decide alone.

    Parameters
    ----------
    sections
        The windows of each section, one after the other.
    n_sections
        Number of sections.
    seed
        Seed of the draw.
    """
    rng = np.random.default_rng(seed)
    most = max(1, _MOST_WINDOWS // max(n_sections, 1))
    parts = []
    for section in sections:
        rows = np.flatnonzero(section.has_window)
        rows = np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
        parts.append((section.whole[rows], section.halves[0][rows], section.halves[1][rows]))
    whole, first, second = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Draw(whole, first, second)


def assign(shares: NDArray[np.floating], centres: NDArray[np.floating]) -> NDArray[np.int64]:
    """Give every window the niche with the nearest centre.

    Parameters
    ----------
    shares
        Windows x types; may be missing.
    centres
        Niches x types.

    Returns
    -------
    Number of the niche from 0; -1 without a window or without niches.
    """
    found = np.full(len(shares), -1, dtype=np.int64)
    rows = np.flatnonzero(np.isfinite(shares).all(axis=1)) if len(centres) else np.empty(0, dtype=np.int64)
    half = 0.5 * (centres**2).sum(axis=1)
    for start in range(0, len(rows), 100_000):
        some = rows[start : start + 100_000]
        found[some] = (half - shares[some] @ centres.T).argmin(axis=1)
    return found


def jaccard_of(first: NDArray[np.int64], second: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Compute for each niche how far two assignments of the same cells agree: shared over all.

    Parameters
    ----------
    first, second
        Niche of every cell, from 0.
    n
        Number of niches.
    """
    both = np.bincount(first[first == second], minlength=n)
    either = np.bincount(first, minlength=n) + np.bincount(second, minlength=n) - both
    return np.asarray(np.where(either > 0, both / np.maximum(either, 1), 0.0))


def find_niches(draw: Draw, *, most: int, min_jaccard: float, seed: int) -> Niches:
    """Cluster windows by composition, into the largest number of niches that are all found again.

    k-means for 2 to `most` niches. Each cell is then given a niche twice, by two halves of its neighbours
    that share no cell; where there is no structure these are independent, and where there is they agree. The
    number is the largest for which the Jaccard index of every niche between the two is at least
    `min_jaccard` (0.5, below which Hennig calls a cluster dissolved; Hennig 2008, J. Multivar. Anal. 99,
    1154). Without such a number there are no niches.

    Parameters
    ----------
    draw
        The windows.
    most
        Largest number of niches that is tried.
    min_jaccard
        Smallest Jaccard index of every niche.
    seed
        Seed of k-means.

    Returns
    -------
    The niches, the one with the most drawn cells first.
    """
    tried: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    n_distinct = len(np.unique(draw.whole, axis=0)) if len(draw.whole) else 0
    for number in range(2, min(most, n_distinct) + 1):
        fitted = KMeans(number, n_init=_STARTS, random_state=seed).fit(draw.whole)
        order = np.argsort(-np.bincount(fitted.labels_, minlength=number), kind="stable")
        centres = fitted.cluster_centers_[order].astype(np.float64)
        agreed = jaccard_of(assign(draw.first, centres), assign(draw.second, centres), number)
        tried.append((centres, agreed))
    stable = [index for index, (_, agreed) in enumerate(tried) if agreed.min() >= min_jaccard]
    rows = [
        (len(agreed), agreed.min(), agreed.mean(), index == max(stable, default=-1), "")
        for index, (_, agreed) in enumerate(tried)
    ]
    numbers = pd.DataFrame(rows, columns=list(NUMBER_COLUMNS))
    if not stable:
        n_types = draw.whole.shape[1]
        return Niches(np.empty((0, n_types)), np.empty(0), _with_note(numbers, min_jaccard))
    centres, agreed = tried[max(stable)]
    return Niches(centres, agreed, numbers)


def _with_note(numbers: pd.DataFrame, min_jaccard: float) -> pd.DataFrame:
    """Say why there is no niche, in a row for one niche: all cells are one."""
    why = f"no number of niches is found again with a Jaccard index of {min_jaccard:g} for each: no niches"
    row = pd.DataFrame([(1, np.nan, np.nan, True, why)], columns=list(NUMBER_COLUMNS))
    return pd.concat([row, numbers], ignore_index=True) if len(numbers) else row


def rich_in(
    centres: NDArray[np.float64], overall: NDArray[np.floating], types: Sequence[str]
) -> list[list[str]]:
    """Say which types each niche is rich in.

    Rich: at least a tenth of its cells and 1.5 times the share of all cells.

    Parameters
    ----------
    centres
        Niches x types.
    overall
        Share of each type among all cells with a window.
    types
        Names of the types.

    Returns
    -------
    For each niche up to three types, the largest share first; the most frequent type where none is enriched.
    """
    found = []
    for centre in centres:
        rich = (centre >= _RICH_SHARE) & (centre >= _RICH_FOLD * overall)
        order = np.argsort(-centre, kind="stable")
        found.append([types[t] for t in order if rich[t]][:_MOST_NAMES] or [types[order[0]]])
    return found
