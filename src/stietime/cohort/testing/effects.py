"""Tests between patients: moderated paired and Welch's t, exact sign flips, false discovery rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stietime.cohort.testing.moderated import moderate, t_quantile, two_sided_p

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
MAX_EXACT_PAIRS: Final = 30  # 2^15 sums on either side of the split


@dataclass(frozen=True)
class Effects:
    """One effect per entity; nan where it does not exist.

    Parameters
    ----------
    estimate
        Mean of the patients' differences, or difference of the groups' means.
    se, df
        Its standard error and degrees of freedom.
    p, p_exact
        Two-sided p-values of the t-test and of the exact sign-flip test (paired only).
    n_first, n_second
        Patients with a value in each arm; equal if paired.
    """

    estimate: Vector
    se: Vector
    df: Vector
    p: Vector
    p_exact: Vector
    n_first: NDArray[np.int64]
    n_second: NDArray[np.int64]

    def interval(self, level: float = 0.95) -> tuple[Vector, Vector]:
        """Give the confidence interval of the estimates."""
        half = t_quantile(0.5 + level / 2, self.df) * self.se
        return self.estimate - half, self.estimate + half


def paired_effects(
    first: Matrix,
    second: Matrix,
    *,
    testable: NDArray[np.bool_],
    min_pairs: int,
    sampling_variance: Vector | None = None,
) -> Effects:
    """Test the patients' differences with a moderated paired t.

    Parameters
    ----------
    first, second
        Patients x entities; row i of both is the same patient; nan where not measured.
    testable
        Entities that may be tested; only they shape the common variance.
    min_pairs
        Entities with fewer pairs have an estimate but no test.
    sampling_variance
        The part of each entity's variance that counting alone explains; the prior variance follows its log.

    Returns
    -------
    Effects. An entity whose differences are all equal has no standard error and no p.
    """
    differences = first - second
    n = (~np.isnan(differences)).sum(axis=0)
    estimate = mean_of_patients(differences)
    variance = _variance(differences, estimate)
    usable = testable & (n >= min_pairs) & (variance > _rounding(differences))
    se, df = np.full((2, len(n)), np.nan)
    covariate = None if sampling_variance is None else np.log(sampling_variance[usable])
    moderated, df[usable] = moderate(variance[usable], (n[usable] - 1).astype(float), covariate)
    se[usable] = np.sqrt(moderated / n[usable])
    exact = np.full(len(n), np.nan)
    for entity in np.flatnonzero(usable):
        values = differences[:, entity]
        exact[entity] = sign_flip_p(values[~np.isnan(values)])
    return Effects(estimate, se, df, two_sided_p(estimate / se, df), exact, n, n)


def group_effects(
    first: Matrix,
    second: Matrix,
    *,
    testable: NDArray[np.bool_],
    min_group: int,
    sampling_variances: tuple[Vector, Vector] | None = None,
) -> Effects:
    """Compare two groups of patients with a moderated Welch's t, which allows unequal variances.

    The squared standard error of Welch's t, se2 = s1^2/n1 + s2^2/n2, has the degrees of freedom of
    Satterthwaite. Brought to one patient, se2 / (1/n1 + 1/n2), it is squeezed as a paired variance is.

    Parameters
    ----------
    first, second
        Patients x entities of either group; nan where not measured.
    testable
        Entities that may be tested; only they shape the common variance.
    min_group
        Entities with fewer patients in a group have an estimate but no test.
    sampling_variances
        The part of each entity's variance in either group that counting alone explains.

    References
    ----------
    Welch 1947, Biometrika 34:28.
    """
    n1, n2 = (~np.isnan(first)).sum(axis=0), (~np.isnan(second)).sum(axis=0)
    mean1, mean2 = mean_of_patients(first), mean_of_patients(second)
    variance1, variance2 = _variance(first, mean1), _variance(second, mean2)
    enough = testable & (n1 >= min_group) & (n2 >= min_group)
    usable = enough & ((variance1 > _rounding(first)) | (variance2 > _rounding(second)))
    se, df = np.full((2, len(n1)), np.nan)
    part1, part2 = variance1[usable] / n1[usable], variance2[usable] / n2[usable]
    satterthwaite = (part1 + part2) ** 2 / (part1**2 / (n1[usable] - 1) + part2**2 / (n2[usable] - 1))
    weight1, weight2 = 1 / n1[usable], 1 / n2[usable]
    covariate = None
    if sampling_variances is not None:
        by_counting = weight1 * sampling_variances[0][usable] + weight2 * sampling_variances[1][usable]
        covariate = np.log(by_counting / (weight1 + weight2))
    one_patient = (part1 + part2) / (weight1 + weight2)
    moderated, df[usable] = moderate(one_patient, satterthwaite, covariate)
    se[usable] = np.sqrt(moderated * (weight1 + weight2))
    estimate = mean1 - mean2
    nothing = np.full(len(n1), np.nan)
    return Effects(estimate, se, df, two_sided_p(estimate / se, df), nothing, n1, n2)


def mean_of_patients(values: Matrix) -> Vector:
    """Average patients x entities over the patients that have a value; nan where none has."""
    n = (~np.isnan(values)).sum(axis=0)
    return np.asarray(np.divide(np.nansum(values, axis=0), n, out=np.full(len(n), np.nan), where=n > 0))


def _variance(values: Matrix, mean: Vector) -> Vector:
    n = (~np.isnan(values)).sum(axis=0)
    squares = np.nansum((values - mean) ** 2, axis=0)
    return np.asarray(np.divide(squares, n - 1, out=np.full(len(n), np.nan), where=n > 1))


def _rounding(values: Matrix) -> Vector:
    """Variance below which equal values differ only by rounding."""
    largest = np.where(np.isnan(values), 0, np.abs(values)).max(axis=0, initial=0)
    return np.asarray((1e-10 * np.maximum(largest, 1e-3)) ** 2)


def sign_flip_p(differences: Vector) -> float:
    """Give the exact two-sided p-value of the sign-flip test of the mean difference.

    The share of the 2^n choices of signs whose sum is at least as far from 0 as the observed one. It
    needs no normality, only differences symmetric about 0 under the null. The sums of either half of the
    patients are sorted and counted against each other, so that no sample of the choices is needed.

    Parameters
    ----------
    differences
        One difference per patient.

    Returns
    -------
    The p-value, at least 2 / 2^n unless differences are 0; nan above 30 patients, where the t-test serves.

    References
    ----------
    Fisher 1935, The Design of Experiments, section 21.
    """
    n = len(differences)
    if n == 0 or n > MAX_EXACT_PAIRS:
        return float("nan")
    sizes = np.abs(differences)
    left, right = _signed_sums(sizes[: n // 2]), np.sort(_signed_sums(sizes[n // 2 :]))
    bound = abs(float(differences.sum())) - 1e-9 * max(float(sizes.sum()), 1e-300)
    if bound <= 0:
        return 1.0
    above = len(right) - np.searchsorted(right, bound - left, side="left")
    return float(min(1.0, 2 * above.sum() / 2.0**n))


def _signed_sums(sizes: Vector) -> Vector:
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums


def smallest_exact_p(n_pairs: int) -> float:
    """Give the smallest p-value that the sign-flip test can reach."""
    return float(2.0 ** (1 - n_pairs))


def false_discovery_rates(p: Vector) -> Vector:
    """Give Benjamini and Hochberg's q of one family; nan stays nan and does not count as a test.

    References
    ----------
    Benjamini and Hochberg 1995, J R Stat Soc B 57:289.
    """
    q = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    n = len(order)
    raw = p[order] * n / np.arange(1, n + 1)
    q[order] = np.minimum(1.0, np.minimum.accumulate(raw[::-1])[::-1])
    return q
