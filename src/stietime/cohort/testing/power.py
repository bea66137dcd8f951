"""The smallest effect that a test would have found."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtr, ndtr

from stietime.cohort.testing.moderated import t_below, t_quantile

Vector = NDArray[np.float64]

POWER: Final = 0.8
LARGE_DF: Final = 1000.0  # a t with more is as good as normal here
ROUNDS: Final = 60  # of halving, from an interval of 2^6


def detectable_effect(se: Vector, df: Vector, *, level: float = 0.05, power: float = POWER) -> Vector:
    """Give the effect that a two-sided t-test finds with a given power, by its standard error.

    The noncentrality d solves P(|T(df, d)| > t(1 - level/2, df)) = power; the effect is d x se. Single tests
    are meant: what has to pass a correction for many must be larger.

    Parameters
    ----------
    se, df
        Standard errors and degrees of freedom, one per test; nan where there is none.
    level, power
        Of the test.
    """
    known = ~(np.isnan(se) | np.isnan(df))
    result = np.full(len(se), np.nan)
    distinct, places = np.unique(df[known], return_inverse=True)
    low, high = np.zeros(len(distinct)), np.full(len(distinct), 64.0)
    critical = t_quantile(1 - level / 2, distinct)
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        enough = _power(middle, distinct, critical) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    result[known] = high[places] * se[known]
    return result


def power_of(effect: float, se: float, df: float, *, level: float = 0.05) -> float:
    """Give the chance that a two-sided t-test finds an effect, by its standard error.

    Parameters
    ----------
    effect
        Size of the effect, on the scale of the standard error.
    se, df
        Standard error and degrees of freedom; df may be infinite.
    level
        Of the test.

    Returns
    -------
    The power; the chance of finding the effect with the wrong sign counts for nothing.
    """
    degrees = np.array([df])
    critical = t_quantile(1 - level / 2, degrees)
    return float(_power(np.array([abs(effect) / se]), degrees, critical)[0])


def equivalence_power(margin: float, se: float, df: float, *, level: float = 0.05) -> float:
    """Give the chance that two one-sided t-tests show equivalence where there is no effect at all.

    The estimate has to fall between -m and m with m = margin - t(1 - level, df) x se; with the standard error
    taken as it was found, 2 F(m / se) - 1 with F of Student's t.

    Parameters
    ----------
    margin
        Equivalence margin.
    se, df
        Standard error and degrees of freedom; df may be infinite.
    level
        Of each of the tests.

    References
    ----------
    Schuirmann 1987, J Pharmacokinet Biopharm 15:657.
    """
    degrees = np.array([df])
    room = np.array([margin / se]) - t_quantile(1 - level, degrees)
    return float(max(0.0, 2 * t_below(room, degrees)[0] - 1))


def _power(noncentrality: Vector, df: Vector, critical: Vector) -> Vector:
    normal = ndtr(noncentrality - critical)  # the other side adds nothing at such powers
    few = df <= LARGE_DF
    exact = 1 - nctdtr(np.where(few, df, 1.0), noncentrality, critical)
    # nctdtr gives nan far out, where the power is 1
    return np.where(few, np.where(np.isnan(exact), 1.0, exact), normal)
