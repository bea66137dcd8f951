"""Tests of cell fractions as peers do them, in implementations of our own, on counts of one draw.

propeller (Phipson 2022): logit or arcsine of the fractions, limma's moderated t without trend; the robust
prior is left out. Quasi-binomial: logistic regression with the dispersion from Pearson's residuals, with the
patient as a factor if paired. Wilcoxon and t on raw fractions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stietime.cohort.testing.effects import sign_flip_p
from stietime.cohort.testing.moderated import fit_prior, squeeze, two_sided_p

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.statistics_cohorts import Cohort

Array = NDArray[np.float64]
MOST_LOGIT: Final = 15.0


def t_of_fractions(cohort: Cohort, *, paired: bool) -> Array:
    """Test raw fractions by a paired t or by Welch's t."""
    first, second = cohort.fractions
    found = stats.ttest_rel(first, second) if paired else stats.ttest_ind(first, second, equal_var=False)
    return np.asarray(found.pvalue)


def wilcoxon(cohort: Cohort, *, paired: bool) -> Array:
    """Test raw fractions by signed ranks, exactly also with ties, or by ranks of two groups."""
    first, second = cohort.fractions
    if not paired:
        return np.asarray(stats.mannwhitneyu(first, second, axis=0).pvalue)
    differences = first - second
    kept = [column[column != 0] for column in differences.T]
    return np.array([sign_flip_p(np.sign(values) * stats.rankdata(np.abs(values))) for values in kept])


def propeller_logit(cohort: Cohort, *, paired: bool) -> Array:
    """Test logits of fractions with half a cell added, by limma's moderated t."""
    logits = []
    for counts in (cohort.first, cohort.second):
        raised = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 0.5)
        logits.append(np.log(raised / (1 - np.minimum(raised, 1 - 1e-9))))
    return _moderated(logits[0], logits[1], paired=paired)


def propeller_arcsine(cohort: Cohort, *, paired: bool) -> Array:
    """Test arcsines of the roots of fractions, by limma's moderated t."""
    first, second = (np.arcsin(np.sqrt(fraction)) for fraction in cohort.fractions)
    return _moderated(first, second, paired=paired)


def _moderated(first: Array, second: Array, *, paired: bool) -> Array:
    if paired:
        differences = first - second
        df, scale = len(differences) - 1, 1 / len(differences)
        estimate, variance = differences.mean(axis=0), differences.var(axis=0, ddof=1)
    else:
        df, scale = len(first) + len(second) - 2, 1 / len(first) + 1 / len(second)
        estimate = first.mean(axis=0) - second.mean(axis=0)
        squares = [((values - values.mean(axis=0)) ** 2).sum(axis=0) for values in (first, second)]
        variance = (squares[0] + squares[1]) / df
    p = np.full(len(estimate), np.nan)
    usable = variance > 1e-15
    dfs = np.full(int(usable.sum()), float(df))
    posterior, t_df = squeeze(variance[usable], dfs, fit_prior(variance[usable], dfs))
    p[usable] = two_sided_p(estimate[usable] / np.sqrt(posterior * scale), t_df)
    return p


def quasi_binomial(cohort: Cohort, *, paired: bool) -> Array:
    """Test the arm in a quasi-binomial regression, with patients as a factor if paired.

    Newton's method for all types at once; the information matrix has an arrow's shape, so that the
    intercepts are eliminated.
    """
    n, total, arm, patient = _stacked(cohort, paired=paired)
    intercepts = int(patient.max()) + 1
    onto = np.zeros((intercepts, len(n)))
    onto[patient, np.arange(len(n))] = 1
    level = np.log((onto @ n + 0.5) / (onto @ (total - n) + 0.5))
    effect = np.zeros(n.shape[1])
    for _ in range(25):
        chance = 1 / (1 + np.exp(-np.clip(level[patient] + arm * effect, -MOST_LOGIT, MOST_LOGIT)))
        weight, score = total * chance * (1 - chance), n - total * chance
        own, cross = np.maximum(onto @ weight, 1e-9), onto @ (arm * weight)
        information = np.maximum((arm * weight).sum(axis=0) - (cross**2 / own).sum(axis=0), 1e-9)
        step = ((arm * score).sum(axis=0) - (cross * (onto @ score) / own).sum(axis=0)) / information
        step = np.clip(step, -2, 2)
        level = np.clip(level + np.clip((onto @ score - cross * step) / own, -2, 2), -MOST_LOGIT, MOST_LOGIT)
        effect = np.clip(effect + step, -MOST_LOGIT, MOST_LOGIT)
    df = len(n) - intercepts - 1
    dispersion = (score**2 / np.maximum(weight, 1e-9)).sum(axis=0) / df
    with np.errstate(divide="ignore", invalid="ignore"):
        t = effect / np.sqrt(dispersion / information)
    seen = (n.sum(axis=0) > 0) & (dispersion > 1e-12)
    return np.where(seen, two_sided_p(t, np.full(len(t), float(df))), np.nan)


def _stacked(cohort: Cohort, *, paired: bool) -> tuple[Array, Array, Array, NDArray[np.intp]]:
    n = np.vstack([cohort.first, cohort.second])
    total = np.broadcast_to(n.sum(axis=1, keepdims=True), n.shape)
    sizes = (len(cohort.first), len(cohort.second))
    arm = np.repeat([1.0, 0.0], sizes)[:, None]
    patient = np.concatenate([np.arange(size) for size in sizes]) if paired else np.zeros(len(n), dtype=int)
    return n, total, arm, patient


PEERS: Final[dict[str, Callable[..., Array]]] = {
    "t of raw fractions": t_of_fractions,
    "Wilcoxon of raw fractions": wilcoxon,
    "propeller, logit (own implementation)": propeller_logit,
    "propeller, arcsine (own implementation)": propeller_arcsine,
    "quasi-binomial regression": quasi_binomial,
}
