"""Negative binomial models of many genes, compiled: dispersions and coefficients, one gene after the other.

Loops over genes let go of the interpreter, so that threads can share the genes between them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    Vector = NDArray[np.float64]

LARGE: Final = 1e3  # from here on the asymptotic series of digamma's differences are exact to rounding
NO_SLOPE: Final = 1e-5  # L-BFGS-B's gtol: a start this flat is taken as the optimum
LOG_TOLERANCE: Final = 1e-7
LEAST_PIVOT: Final = 1e-12  # relative; smaller ones are rounding


@numba.njit(nogil=True, cache=True)
def digamma(x: float) -> float:  # pragma: no cover - compiled
    """Give the derivative of log gamma: recurrence to 6, then the asymptotic series."""
    result = 0.0
    while x < 6.0:
        result -= 1.0 / x
        x += 1.0
    square = 1.0 / (x * x)
    series = 1 / 252 - square * (1 / 240 - square * (1 / 132))
    return result + math.log(x) - 0.5 / x - square * (1 / 12 - square * (1 / 120 - square * series))


@numba.njit(nogil=True, cache=True)
def _digamma_rise(start: float, step: float) -> float:  # pragma: no cover - compiled
    """Give digamma(start + step) - digamma(start) without cancellation."""
    end = start + step
    if start < LARGE:
        return digamma(end) - digamma(start)
    near, far = 1.0 / start, 1.0 / end
    return math.log1p(step / start) + 0.5 * (near - far) + (near * near - far * far) / 12


@numba.njit(nogil=True, cache=True)
def _factorise(design: Matrix, weights: Vector, ridge: float, lower: Matrix) -> None:  # pragma: no cover
    """Put the Cholesky factor of X' W X + ridge into `lower`."""
    n, p = design.shape
    for a in range(p):
        for b in range(a + 1):
            total = ridge if a == b else 0.0
            for i in range(n):
                total += design[i, a] * weights[i] * design[i, b]
            whole = total
            for c in range(b):
                total -= lower[a, c] * lower[b, c]
            if a == b:
                lower[a, a] = math.sqrt(max(total, LEAST_PIVOT * whole, 1e-300))
            else:
                lower[a, b] = total / lower[b, b]


@numba.njit(nogil=True, cache=True)
def _leverage(lower: Matrix, row: Vector, work: Vector) -> float:  # pragma: no cover - compiled
    """Give x' (X' W X)^-1 x of one row of the design."""
    total = 0.0
    for a in range(len(row)):
        value = row[a]
        for c in range(a):
            value -= lower[a, c] * work[c]
        work[a] = value / lower[a, a]
        total += work[a] * work[a]
    return total


@numba.njit(nogil=True, cache=True)
def _slope(
    log_alpha: float,
    counts: Vector,
    mu: Vector,
    design: Matrix,
    prior: tuple[float, float],
    spaces: tuple[Vector, Matrix, Vector],
) -> float:  # pragma: no cover - compiled
    """Give the derivative by log dispersion of what is minimised: the adjusted negative log-likelihood."""
    weights, lower, work = spaces
    alpha = math.exp(log_alpha)
    size = 1.0 / alpha
    slope = 0.0
    for i in range(len(counts)):
        share = 1.0 + mu[i] * alpha
        slope += size * (_digamma_rise(size, counts[i]) - math.log1p(mu[i] * alpha))
        slope -= (counts[i] - mu[i]) / share
        weights[i] = mu[i] / share
    _factorise(design, weights, 0.0, lower)
    for i in range(len(counts)):
        slope -= 0.5 * alpha * weights[i] * weights[i] * _leverage(lower, design[i], work)
    centre, precision = prior
    return slope + (log_alpha - centre) * precision


@numba.njit(nogil=True, cache=True)
def _minimise(
    start: float,
    limits: tuple[float, float],
    counts: Vector,
    mu: Vector,
    design: Matrix,
    prior: tuple[float, float],
    spaces: tuple[Vector, Matrix, Vector],
) -> float:  # pragma: no cover - compiled
    """Walk downhill until the slope turns, then halve or interpolate the bracket (Illinois)."""
    here = min(max(start, limits[0]), limits[1])
    slope = _slope(here, counts, mu, design, prior, spaces)
    if abs(slope) <= NO_SLOPE:
        return here
    direction = -1.0 if slope > 0 else 1.0
    step = 0.25
    while True:
        there = min(max(here + direction * step, limits[0]), limits[1])
        other = _slope(there, counts, mu, design, prior, spaces)
        if other * slope <= 0:
            break
        if there in limits:
            return there
        here, slope, step = there, other, 2 * step
    for _ in range(200):
        if abs(there - here) < LOG_TOLERANCE or other == 0:
            break
        middle = (here * other - there * slope) / (other - slope)
        value = _slope(middle, counts, mu, design, prior, spaces)
        if value * other < 0:
            here, slope = there, other
        else:
            slope *= 0.5
        there, other = middle, value
    return there


@numba.njit(nogil=True, cache=True)
def fit_dispersions(
    counts: Matrix,
    mu: Matrix,
    design: Matrix,
    start: Vector,
    limits: tuple[float, float],
    precision: float,
    found: Vector,
) -> None:  # pragma: no cover - compiled
    """Maximise the Cox-Reid adjusted profile likelihood of each gene's dispersion.

    Parameters
    ----------
    counts, mu
        Counts and their means, genes x samples.
    design
        Samples x coefficients.
    start
        Where each gene's search starts, and the centre of its prior.
    limits
        Smallest and largest log dispersion.
    precision
        1 / variance of the normal prior of the log dispersion; 0 for none.
    found
        Receives the dispersions.
    """
    n, p = design.shape
    spaces = (np.empty(n), np.zeros((p, p)), np.empty(p))
    for gene in range(counts.shape[0]):
        centre = math.log(start[gene])
        prior = (centre, precision)
        found[gene] = math.exp(_minimise(centre, limits, counts[gene], mu[gene], design, prior, spaces))


@numba.njit(nogil=True, cache=True)
def _means(
    beta: Vector, size_factors: Vector, design: Matrix, least: float, mu: Vector
) -> None:  # pragma: no cover - compiled
    for i in range(len(size_factors)):
        total = 0.0
        for a in range(len(beta)):
            total += design[i, a] * beta[a]
        mu[i] = max(size_factors[i] * math.exp(total), least)


@numba.njit(nogil=True, cache=True)
def _solve(lower: Matrix, right: Vector) -> None:  # pragma: no cover - compiled
    """Solve L L' x = right in place."""
    p = len(right)
    for a in range(p):
        for c in range(a):
            right[a] -= lower[a, c] * right[c]
        right[a] /= lower[a, a]
    for a in range(p - 1, -1, -1):
        for c in range(a + 1, p):
            right[a] -= lower[c, a] * right[c]
        right[a] /= lower[a, a]


@numba.njit(nogil=True, cache=True)
def _log_likelihood(
    counts: Vector, mu: Vector, dispersion: float, constant: float
) -> float:  # pragma: no cover - compiled
    size = 1.0 / dispersion
    total = constant
    for i in range(len(counts)):
        total += counts[i] * math.log(mu[i]) - (counts[i] + size) * math.log(size + mu[i])
    return total


@numba.njit(nogil=True, cache=True)
def _constant(counts: Vector, dispersion: float) -> float:  # pragma: no cover - compiled
    """Sum the terms of the log-likelihood that do not depend on the means."""
    size = 1.0 / dispersion
    total = -len(counts) * size * math.log(dispersion)
    for i in range(len(counts)):
        total += math.lgamma(counts[i] + size) - math.lgamma(counts[i] + 1.0) - math.lgamma(size)
    return total


@numba.njit(nogil=True, cache=True)
def _weigh(
    counts: Vector,
    mu: Vector,
    size_factors: Vector,
    design: Matrix,
    dispersion: float,
    found: tuple[Vector, Vector],
) -> None:  # pragma: no cover - compiled
    """Give the weights of the samples, and X' W z of the working response z."""
    weights, right = found
    right[:] = 0.0
    for i in range(len(counts)):
        weights[i] = mu[i] / (1.0 + mu[i] * dispersion)
        value = weights[i] * (math.log(mu[i] / size_factors[i]) + (counts[i] - mu[i]) / mu[i])
        for a in range(design.shape[1]):
            right[a] += design[i, a] * value


@numba.njit(nogil=True, cache=True)
def fit_coefficients(
    counts: Matrix,
    size_factors: Vector,
    design: Matrix,
    pseudo_inverse: Matrix,
    dispersions: Vector,
    limits: tuple[float, float, float, int],
    found: tuple[Matrix, Matrix, Matrix, NDArray[np.bool_]],
) -> None:  # pragma: no cover - compiled
    """Fit the log-linear model of each gene by iteratively reweighted least squares, as DESeq2 does.

    Parameters
    ----------
    counts
        Genes x samples.
    size_factors
        One per sample.
    design, pseudo_inverse
        Samples x coefficients, and the least-squares solution from samples to coefficients.
    dispersions
        One per gene.
    limits
        Least mean within the iterations, relative change of the deviance to stop at, ridge, and the largest
        absolute coefficient times one (beyond which a gene has not converged).
    found
        Receive coefficients (genes x coefficients), means (genes x samples, without the least mean),
        leverages (genes x samples) and whether a gene converged.
    """
    least, tolerance, ridge, most = limits
    n, p = design.shape
    beta, mu, weights, work = np.empty(p), np.empty(n), np.empty(n), np.empty(p)
    lower = np.zeros((p, p))
    for gene in range(counts.shape[0]):
        own, dispersion = counts[gene], dispersions[gene]
        beta[:] = pseudo_inverse @ np.log(own / size_factors + 0.1)
        _means(beta, size_factors, design, least, mu)
        constant, deviance = _constant(own, dispersion), 1000.0
        found[3][gene] = False
        for _ in range(250):
            _weigh(own, mu, size_factors, design, dispersion, (weights, work))
            _factorise(design, weights, ridge, lower)
            _solve(lower, work)
            if np.abs(work).max() > most:
                break
            beta[:] = work
            _means(beta, size_factors, design, least, mu)
            before, deviance = deviance, -2 * _log_likelihood(own, mu, dispersion, constant)
            if abs(deviance - before) / (abs(deviance) + 0.1) <= tolerance:
                found[3][gene] = True
                break
        _weigh(own, mu, size_factors, design, dispersion, (weights, work))
        _factorise(design, weights, ridge, lower)
        for i in range(n):
            found[2][gene, i] = weights[i] * _leverage(lower, design[i], work)
        found[0][gene] = beta
        _means(beta, size_factors, design, 0.0, mu)
        found[1][gene] = mu
