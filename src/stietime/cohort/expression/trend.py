"""How the dispersion of genes follows their mean: DESeq2's parametric trend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

LEAST_DISPERSION: Final = 1e-6  # genes below say nothing of the trend: 100 times the least that is fitted
NEAR_TREND: Final = (1e-4, 15.0)  # times the trend; genes beyond are left out of the next round
MOST_ROUNDS: Final = 100
TRIMMED: Final = 0.001


def fit_trend(dispersions: Vector, means: Vector) -> tuple[Vector, tuple[float, float] | None]:
    """Fit a0 + a1 / mean to the dispersions of genes, by a gamma model with identity link.

    Rounds of fit, each without the genes that lay far from the one before, until the coefficients stay, as
    in `estimateDispersionsFit` of R's DESeq2. Where they do not become positive and stay, the trimmed mean of
    the dispersions stands for the trend.

    Parameters
    ----------
    dispersions
        Dispersion of each gene by its own counts.
    means
        Mean of each gene's counts divided by the size factors, above 0.

    Returns
    -------
    The trend at every gene, and (a0, a1); nothing in their place for the mean.

    References
    ----------
    Love, Huber and Anders 2014, Genome Biol 15:550, equations 5 and 6.
    """
    usable = dispersions >= LEAST_DISPERSION
    inverse, values = 1 / means[usable], dispersions[usable]
    found = np.array([0.1, 1.0])
    for _ in range(MOST_ROUNDS):
        ratio = values / (found[0] + found[1] * inverse)
        near = (ratio > NEAR_TREND[0]) & (ratio < NEAR_TREND[1])
        before, found = found, _gamma_fit(inverse[near], values[near], found)
        if not (np.isfinite(found).all() and (found > 0).all()):
            break
        if (np.log(found / before) ** 2).sum() < 1e-6:
            return found[0] + found[1] / means, (float(found[0]), float(found[1]))
    from scipy.stats import trim_mean

    level = trim_mean(values, TRIMMED) if len(values) else LEAST_DISPERSION
    return np.full(len(means), float(level)), None


def _gamma_fit(inverse: Vector, values: Vector, start: Vector) -> Vector:
    """Fit values = a0 + a1 inverse with variance by the square of the mean (weighted least squares)."""
    found = start
    design = np.column_stack([np.ones(len(inverse)), inverse])
    for _ in range(MOST_ROUNDS):
        weights = 1 / (design @ found) ** 2
        before = found
        try:
            found = np.linalg.solve(design.T @ (design * weights[:, None]), design.T @ (weights * values))
        except np.linalg.LinAlgError:
            return np.full(2, np.nan)
        if not (design @ found > 0).all():
            return np.full(2, np.nan)
        if np.abs(found - before).max() <= 1e-9 * np.abs(found).max():
            break
    return found
