"""Moderated t-tests: variances of many entities squeezed towards a common value (Smyth 2004)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma, stdtr, stdtrit

Vector = NDArray[np.float64]
MIN_FOR_TREND: Final = 8  # entities
LARGE_DF: Final = 1e10  # t with so many degrees of freedom is normal
CAUTION: Final = 2.0  # standard errors: a 95 % bound


@dataclass(frozen=True)
class Prior:
    """The common distribution of variances: scaled inverse chi-squared.

    Parameters
    ----------
    variance
        The prior variance of each entity, s0 squared.
    df
        Its weight in degrees of freedom, d0; 0 for no squeezing, infinite for no own variances.
    """

    variance: Vector
    df: float


def moderate(variances: Vector, df: Vector, covariate: Vector | None = None) -> tuple[Vector, Vector]:
    """Squeeze variances with caution: the prior is weak where it is uncertain, and no variance is lowered.

    Two departures from Smyth's squeezing keep the level of single types, whose true variances differ more
    than a line tells, and of families of few types, from which the prior df is hardly known. The prior df is
    that at the upper 95 % bound of the spread of the log variances; and a variance above its squeezed value
    stays as it is, so that squeezing lends degrees of freedom and raises what is low by chance, never the
    opposite.

    Parameters
    ----------
    variances
        Sample variances above 0.
    df
        Their degrees of freedom.
    covariate
        As for `fit_prior`.

    Returns
    -------
    Variances and degrees of freedom for the t-test.
    """
    prior = fit_prior(variances, df, covariate, errors=CAUTION)
    posterior, posterior_df = squeeze(variances, df, prior)
    return np.maximum(posterior, variances), posterior_df


def fit_prior(
    variances: Vector, df: Vector, covariate: Vector | None = None, *, errors: float = 0.0
) -> Prior:
    """Estimate the prior from sample variances by the moments of their logs.

    With z = log s2 - digamma(d/2) + log(d/2), fitted by their mean or by a line in the covariate, the
    prior df solves trigamma(d0/2) = var(z) - mean(trigamma(d/2)), where var is that of the residuals, and
    log s0^2 = fit(z) + digamma(d0/2) - log(d0/2). Where the logs vary no more than by chance, d0 is
    infinite and s0^2 the mean variance (as in limma since 2017), or the exponential of the line.

    Parameters
    ----------
    variances
        Sample variances above 0.
    df
        Their degrees of freedom.
    covariate
        What the log variance rises with; used from eight entities on.
    errors
        Standard errors by which the spread of the logs is taken above its estimate; more make d0 smaller. A
        variance of k residual degrees of freedom has the relative standard error sqrt(2/k).

    Returns
    -------
    The prior; that of fewer than three variances has df 0.

    References
    ----------
    Smyth 2004, Stat Appl Genet Mol Biol 3:3, section 6.2; Law et al. 2014, Genome Biol 15:R29 (limma-trend).
    """
    if len(variances) < 3:
        return Prior(variances, 0.0)
    # as limma: a variance that is almost 0 must not rule the logs
    variances = np.maximum(variances, 1e-5 * np.median(variances))
    logs = np.log(variances) - digamma(df / 2) + np.log(df / 2)
    fit, residual_df = _fit_logs(logs, covariate)
    total = float(np.sum((logs - fit) ** 2)) / residual_df * (1 + errors * np.sqrt(2 / residual_df))
    spread = total - float(np.mean(polygamma(1, df / 2)))
    if spread <= 0:
        trended = residual_df < len(logs) - 1
        return Prior(np.exp(fit) if trended else np.full(len(logs), np.mean(variances)), np.inf)
    half = inverse_trigamma(spread)
    return Prior(np.exp(fit + digamma(half) - np.log(half)), 2 * half)


def _fit_logs(logs: Vector, covariate: Vector | None) -> tuple[Vector, int]:
    """Fit log variances by a line in the covariate, or by their mean; give the residual df too."""
    if covariate is None or len(logs) < MIN_FOR_TREND or np.ptp(covariate) == 0:
        return np.full(len(logs), np.mean(logs)), len(logs) - 1
    centred = covariate - np.mean(covariate)
    slope = float(centred @ logs / (centred @ centred))
    return np.mean(logs) + slope * centred, len(logs) - 2


def inverse_trigamma(value: float) -> float:
    """Solve trigamma(y) = value for y by Newton's method on 1/trigamma, which is convex.

    Parameters
    ----------
    value
        Above 0.
    """
    if value > 1e7:
        return float(1 / np.sqrt(value))
    if value < 1e-6:
        return 1 / value
    y = 0.5 + 1 / value
    for _ in range(50):
        tri = float(polygamma(1, y))
        step = tri * (1 - tri / value) / float(polygamma(2, y))
        y += step
        if abs(step / y) < 1e-10:
            break
    return y


def squeeze(variances: Vector, df: Vector, prior: Prior) -> tuple[Vector, Vector]:
    """Give the posterior variances and their degrees of freedom.

    s~^2 = (d0 s0^2 + d s^2) / (d0 + d), on d0 + d degrees of freedom, at most the sum of all d.

    Parameters
    ----------
    variances, df
        Sample variances and their degrees of freedom.
    prior
        As `fit_prior` gives it.
    """
    if np.isinf(prior.df):
        posterior = prior.variance
    else:
        posterior = (prior.df * prior.variance + df * variances) / (prior.df + df)
    return posterior, np.minimum(prior.df + df, df.sum())


def t_below(t: Vector, df: Vector) -> Vector:
    """Give the probability of a smaller t; df may be infinite."""
    return np.asarray(stdtr(np.minimum(df, LARGE_DF), t))


def two_sided_p(t: Vector, df: Vector) -> Vector:
    """Give the two-sided p-value of t statistics; df may be infinite."""
    return 2 * t_below(-np.abs(t), df)


def t_quantile(probability: float, df: Vector) -> Vector:
    """Give the quantile of the t distribution; df may be infinite."""
    return np.asarray(stdtrit(np.minimum(df, LARGE_DF), probability))
