"""Random-effects meta-analysis of a few small cohorts, many entities at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, ndtr, ndtri

from stietime.cohort.testing.moderated import t_quantile, two_sided_p

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

LEVEL: Final = 0.95
NORMAL: Final = float(ndtri(0.5 + LEVEL / 2))
ROUNDS: Final = 120  # of halving
FEWEST_TO_PREDICT: Final = 3  # cohorts


@dataclass(frozen=True)
class RandomEffects:
    """What several cohorts say together, one value per entity; nan with fewer than two cohorts.

    Parameters
    ----------
    estimate, se, df
        Mean effect over the cohorts that could have been, its standard error after Hartung and Knapp, k - 1.
    se_normal
        The plain standard error, to which the normal distribution belongs.
    ci_low, ci_high, p
        By t with k - 1 degrees of freedom or by the normal distribution, whichever is wider.
    tau2, tau2_low, tau2_high
        Variance between cohorts (Paule and Mandel), and its interval (Q-profile).
    i2, i2_low, i2_high
        Share of the variance of the estimates that is between cohorts, 0 to 1.
    q_heterogeneity, p_heterogeneity
        Cochran's Q, and its p by chi-squared with k - 1 degrees of freedom.
    prediction_low, prediction_high
        Where the effect of a further cohort lies; nan with fewer than three cohorts.
    common_estimate, common_se, common_p
        Average of these very cohorts, each weighted by its precision, without a claim on any other.
    weights
        Cohorts x entities: shares of the random-effects estimate, which sum to 1; nan where not used.
    n_cohorts
        Number of cohorts with an estimate.
    """

    estimate: Vector
    se: Vector
    df: Vector
    se_normal: Vector
    ci_low: Vector
    ci_high: Vector
    p: Vector
    tau2: Vector
    tau2_low: Vector
    tau2_high: Vector
    i2: Vector
    i2_low: Vector
    i2_high: Vector
    q_heterogeneity: Vector
    p_heterogeneity: Vector
    prediction_low: Vector
    prediction_high: Vector
    common_estimate: Vector
    common_se: Vector
    common_p: Vector
    weights: Matrix
    n_cohorts: NDArray[np.int64]


def sampling_variances(se: Matrix, df: Matrix) -> Matrix:
    """Widen squared standard errors for being estimated from few patients.

    v = (se t(0.975, df) / z(0.975))^2: the variance with which the normal 95 % interval of a cohort is as
    wide as its own t interval. The usual methods take v as known; without this a cohort of four pairs whose
    variance is low by chance would rule the others, and Q would be too large by about df / (df - 2).

    Parameters
    ----------
    se, df
        Standard errors and their degrees of freedom, which may be infinite.
    """
    return np.asarray((se * t_quantile(0.5 + LEVEL / 2, df) / NORMAL) ** 2)


def combine(estimates: Matrix, variances: Matrix) -> RandomEffects:
    """Combine the estimates of cohorts by random effects.

    The variance between cohorts solves Q(tau2) = k - 1 (Paule and Mandel), where Q is the sum of
    (y - mean)^2 / (v + tau2), and is 0 where Q(0) is below. The interval is that of Hartung and Knapp and of
    Sidik and Jonkman: estimate +- t(k - 1) sqrt(Q(tau2) / (k - 1) / sum of weights). Where estimates agree by
    chance it is too narrow; so it is never narrower than the normal interval of the same estimate, which is
    never narrower than the common-effect interval. p is the larger of both for the same reason.

    Parameters
    ----------
    estimates, variances
        Cohorts x entities; nan where a cohort has none. Variances are above 0 and taken as known.

    References
    ----------
    Paule, Mandel 1982, J Res Natl Bur Stand 87:377. Hartung, Knapp 2001, Stat Med 20:3875; Sidik, Jonkman
    2002, Stat Med 21:3153. Wiksten, Ruecker, Schwarzer 2016, Stat Med 35:2503; Jackson et al. 2017, Stat Med
    36:3923 (never narrower than without).
    Viechtbauer 2007, Stat Med 26:37 (Q-profile). Higgins, Thompson 2002, Stat Med 21:1539 (I2). Higgins,
    Thompson, Spiegelhalter 2009, J R Stat Soc A 172:137 (prediction).
    """
    used = ~(np.isnan(estimates) | np.isnan(variances))
    n = used.sum(axis=0)
    several = n > 1
    y = np.where(used, estimates, 0.0)
    inverse = np.where(used & several, 1 / np.where(used, variances, 1.0), 0.0)
    df = np.where(several, n - 1.0, np.nan)

    tail = (1 - LEVEL) / 2
    tau2 = _solve(y, inverse, df)
    tau2_low, tau2_high = (_solve(y, inverse, chdtri(df, chance)) for chance in (tail, 1 - tail))
    weights = _weights(inverse, tau2)
    total = np.where(several, weights.sum(axis=0), np.nan)
    estimate, se_normal = (weights * y).sum(axis=0) / total, 1 / np.sqrt(total)
    se = np.sqrt(_q(y, inverse, tau2) / df) * se_normal
    half = np.fmax(t_quantile(0.5 + LEVEL / 2, df) * se, NORMAL * se_normal)
    with np.errstate(divide="ignore", invalid="ignore"):  # estimates that are all equal have no spread
        p = np.fmax(two_sided_p(estimate / se, df), 2 * ndtr(-np.abs(estimate / se_normal)))
    typical = _typical_variance(inverse, df)
    i2, i2_low, i2_high = (between / (between + typical) for between in (tau2, tau2_low, tau2_high))
    q = _q(y, inverse, np.zeros(len(n)))
    ahead = t_quantile(0.5 + LEVEL / 2, np.where(n >= FEWEST_TO_PREDICT, n - 2.0, np.nan))
    ahead = ahead * np.sqrt(tau2 + se_normal**2)
    precision = np.where(several, inverse.sum(axis=0), np.nan)
    common, common_se = (inverse * y).sum(axis=0) / precision, 1 / np.sqrt(precision)
    return RandomEffects(
        estimate=estimate, se=se, df=df, ci_low=estimate - half, ci_high=estimate + half,
        p=p, se_normal=se_normal, tau2=tau2, tau2_low=tau2_low, tau2_high=tau2_high,
        i2=i2, i2_low=i2_low, i2_high=i2_high, q_heterogeneity=np.where(several, q, np.nan),
        p_heterogeneity=chdtrc(df, q), prediction_low=estimate - ahead, prediction_high=estimate + ahead,
        common_estimate=common, common_se=common_se, common_p=2 * ndtr(-np.abs(common / common_se)),
        weights=np.where(used & several, weights / total, np.nan), n_cohorts=n,
    )  # fmt: skip


def _weights(inverse: Matrix, tau2: Vector) -> Matrix:
    """Give 1 / (v + tau2) from 1 / v; 0 where a cohort has no estimate."""
    return np.asarray(inverse / (1 + inverse * np.nan_to_num(tau2)))


def _q(y: Matrix, inverse: Matrix, tau2: Vector) -> Vector:
    """Give the weighted sum of squares about the weighted mean."""
    weights = _weights(inverse, tau2)
    total = weights.sum(axis=0)
    mean = np.divide((weights * y).sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)
    return np.asarray((weights * (y - mean) ** 2).sum(axis=0))


def _solve(y: Matrix, inverse: Matrix, target: Vector) -> Vector:
    """Find the tau2 at which Q, which falls with tau2, is the target; 0 where it is below it at 0.

    The weights are below 1 / tau2, so Q is below the plain sum of squares over tau2: that bounds the root.
    """
    present = inverse > 0
    n = np.maximum(present.sum(axis=0), 1)
    squares = (np.where(present, y - np.where(present, y, 0).sum(axis=0) / n, 0) ** 2).sum(axis=0)
    low, high = np.zeros(len(target)), squares / target
    above = _q(y, inverse, low) > target
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        larger = _q(y, inverse, middle) > target
        low, high = np.where(larger, middle, low), np.where(larger, high, middle)
    return np.where(np.isnan(target), np.nan, np.where(above, (low + high) / 2, 0.0))


def _typical_variance(inverse: Matrix, df: Vector) -> Vector:
    """Give the sampling variance that stands for those of all cohorts (Higgins and Thompson 2002)."""
    total = inverse.sum(axis=0)
    below = total**2 - (inverse**2).sum(axis=0)
    return np.asarray(df * np.divide(total, below, out=np.full(len(df), np.nan), where=below > 0))
