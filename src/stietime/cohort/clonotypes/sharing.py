"""How much two repertoires of a patient share, and how much they would share were place left to chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, gammaln

from stietime.cohort.clonotypes.kinds import CLONE, KIND
from stietime.cohort.clonotypes.startrac import Counts, counts_of

if TYPE_CHECKING:
    import pandas as pd

MOST_PROFILES: Final = 600  # whose pairs are gone through for a standard deviation

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class TwoPlaces:
    """A patient's clones in two places (tissues, or time points), counted by type.

    Parameters
    ----------
    first, second
        Clones x types: cells in either place.
    kinds
        The types.
    """

    first: Counts
    second: Counts
    kinds: list[str]

    @property
    def sizes(self) -> tuple[Counts, Counts]:
        """Cells of each clone in either place, of whatever type."""
        return self.first.sum(axis=1), self.second.sum(axis=1)


def two_places(first: pd.DataFrame, second: pd.DataFrame) -> TwoPlaces:
    """Count the clones of two places over the same clones and types.

    Parameters
    ----------
    first, second
        One row per cell of one patient, with `clone` and `kind`; no cell is in both.
    """
    import pandas as pd

    both = pd.concat([first[[CLONE, KIND]], second[[CLONE, KIND]]], ignore_index=True)
    place = np.arange(len(both)) >= len(first)
    marked: pd.Series = both[KIND].astype(str) + np.where(place, "\t2", "\t1")
    table, _, columns = counts_of(both[CLONE], marked)
    kinds = sorted(set(both[KIND].astype(str)))
    at = {name: number for number, name in enumerate(columns)}
    nothing = np.zeros(len(table), dtype=np.int64)
    halves = [
        np.stack([table[:, at[f"{k}\t{n}"]] if f"{k}\t{n}" in at else nothing for k in kinds], axis=1)
        for n in (1, 2)
    ]
    return TwoPlaces(halves[0], halves[1], kinds)


def morisita_horn(first: Counts, second: Counts) -> float:
    """Give Horn's form of Morisita's overlap: 2 sum(xy) / ((sum(x2)/X2 + sum(y2)/Y2) X Y).

    It is 0 where no clone is shared, 1 where all clones have the same share of either place, and depends
    little on how many cells were seen.

    Parameters
    ----------
    first, second
        Cells of the same clones in either place.

    Returns
    -------
    The overlap; nan where a place has no cell.

    References
    ----------
    Horn 1966, Am Nat 100:419.
    """
    x, y = float(first.sum()), float(second.sum())
    if not x or not y:
        return float("nan")
    spread = (first @ first) / x**2 + (second @ second) / y**2
    return float(2 * (first @ second) / (spread * x * y))


def jaccard(first: Counts, second: Counts) -> float:
    """Give the share of the clones of either place that are in both; it grows with the cells seen."""
    either = int(((first > 0) | (second > 0)).sum())
    return float(((first > 0) & (second > 0)).sum() / either) if either else float("nan")


def none_in(clones: Counts, place: Counts, total: Counts) -> Vector:
    """Give the chance that a clone has no cell in a place when places are dealt out anew within each type.

    Of the N_k cells of type k, n_k lie in the place; a clone has m_k of the N_k. Dealt without replacement,
    and independently for each type, it has none there with the chance prod_k C(N_k - m_k, n_k) / C(N_k, n_k).

    Parameters
    ----------
    clones
        Clones x types: m_k, in both places together.
    place
        Cells of each type in the place, n_k.
    total
        Cells of each type in both places, N_k.
    """
    return np.exp(_log_choose(total - clones, place) - _log_choose(total, place)).prod(axis=1)


def _log_choose(n: Counts, k: Counts) -> Matrix:
    """Give log C(n, k); minus infinity where fewer than k are left."""
    fits = k <= n
    n, k = np.broadcast_arrays(np.where(fits, n, 0), np.where(fits, k, 0))
    return np.asarray(np.where(fits, gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0), -np.inf))


@dataclass(frozen=True)
class SharedByChance:
    """What would be shared were each cell's place dealt out anew within its type.

    Parameters
    ----------
    n_clones, sd
        Expected number of shared clones and its standard deviation, both exact; no deviation where the
        clones have more than 600 different profiles of types.
    of_second
        Expected share of the cells of the second place in clones that are also in the first.
    of_second_by_kind
        The same for the cells of each type; nan for a type without a cell there.
    """

    n_clones: float
    sd: float
    of_second: float
    of_second_by_kind: Vector


def shared_by_chance(places: TwoPlaces) -> SharedByChance:
    """Give the exact expectation of sharing under random places within each type.

    This is the mean over all permutations of the clone labels among a patient's cells of one type: how many
    cells each clone, each type and each place has stays. A type that is rare in a place makes its clones
    rare there, which this null grants. More sharing than expected cannot be large: under it clones mix
    freely; less says that clones keep to one place.

    Parameters
    ----------
    places
        The two places.
    """
    clones = places.first + places.second
    n_first, n_second = places.first.sum(axis=0), places.second.sum(axis=0)
    total = n_first + n_second
    not_first = none_in(clones, n_first, total)
    not_second = none_in(clones, n_second, total)
    shared = np.maximum(0.0, 1 - not_first - not_second)
    # a clone with no cell in the first place has all its cells in the second
    lonely = not_first @ clones
    with np.errstate(invalid="ignore", divide="ignore"):
        by_kind = np.where(n_second > 0, np.maximum(0.0, 1 - lonely / n_second), np.nan)
    of_second = max(0.0, 1 - float(lonely.sum() / n_second.sum())) if n_second.sum() else float("nan")
    sd = _sd_of_shared(clones, n_first, n_second)
    return SharedByChance(float(shared.sum()), sd, of_second, by_kind)


def _sd_of_shared(clones: Counts, n_first: Counts, n_second: Counts) -> float:
    """Give the exact standard deviation of the number of shared clones.

    Shared is neither A (none in the first) nor B (none in the second), so that its covariance is that of
    A + B. Clones of one profile of types count together; those of one cell are never shared.
    """
    profiles, often = np.unique(clones[clones.sum(axis=1) > 1], axis=0, return_counts=True)
    if not len(profiles):
        return 0.0
    if len(profiles) > MOST_PROFILES:
        return float("nan")
    total = n_first + n_second
    a, b = none_in(profiles, n_first, total), none_in(profiles, n_second, total)
    one, two = profiles[:, None, :], profiles[None, :, :]
    both_a, both_b = _both(one + two, n_first, total), _both(one + two, n_second, total)
    # none of one in the first and none of the other in the second: all of one lie in the second
    crossed = _crossed(one, two, n_first, n_second, total)
    joint = both_a + both_b + crossed + crossed.T
    either = a + b
    different = (joint - np.outer(either, either)) * np.outer(often, often)
    same = often * (either - either**2)  # A and B exclude each other
    # the pairs of a clone with itself are no pairs
    own = often * (np.diag(joint) - either**2)
    return float(np.sqrt(max(0.0, different.sum() - own.sum() + same.sum())))


def _both(cells: Counts, place: Counts, total: Counts) -> Matrix:
    """Give the chance that none of the cells of two clones is in a place."""
    return np.asarray(np.exp(_log_choose(total - cells, place) - _log_choose(total, place)).prod(axis=2))


def _crossed(one: Counts, two: Counts, n_first: Counts, n_second: Counts, total: Counts) -> Matrix:
    """Give the chance that all of the first clone lie in the second place, all of the other in the first."""
    fits = (one <= n_second) & (two <= n_first)
    ways = _log_choose(np.maximum(total - one - two, 0), np.where(fits, n_first - two, 0))
    chance = np.where(fits & (one + two <= total), np.exp(ways - _log_choose(total, n_first)), 0.0)
    return np.asarray(chance.prod(axis=2))


def exact_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Give the exact interval of a share.

    Parameters
    ----------
    successes
        Number with the property.
    n
        Number of all, such as clones; cells of a clone share its fate and must not be counted here.
    level
        Smallest chance that the interval covers the share.

    Returns
    -------
    Both ends; nan where there is none.

    References
    ----------
    Clopper and Pearson 1934, Biometrika 26:404.
    """
    if not n:
        return float("nan"), float("nan")
    half = (1 - level) / 2
    low = float(betaincinv(successes, n - successes + 1, half)) if successes else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - half)) if successes < n else 1.0
    return low, high
