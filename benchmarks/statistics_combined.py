"""Several small cohorts combined: level, coverage and power of random effects beside what is commonly done.

Cohorts of 4 to 10 pairs are drawn with the frequencies of blood cells (PBMC) and tested as the step `compare`
does; then their estimates are combined. Between cohorts the shift of every type varies with the standard
deviation `SPREAD` (log), or not at all. Fixed before the first run: the sizes, the spread (0.5, which is the
margin within which a fraction counts as unchanged), and that standard errors are widened. The truncated
factor (metafor's `adhoc`) was the first choice and never found anything with two cohorts; the untruncated
interval that is never narrower than the normal one took its place after that was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from benchmarks.public_data import not_found
from benchmarks.record import Figure
from benchmarks.statistics_cohorts import draw_cohort, models, true_log_odds
from benchmarks.statistics_null import default_test
from stietime.cohort.meta_analysis.random_effects import combine, sampling_variances

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.statistics_cohorts import Array, Model

SIZES: Final = (4, 10, 6, 5, 8)  # pairs of the first, second, ... cohort
NUMBERS: Final = (2, 3, 5)
SPREAD: Final = 0.5
DEPTHS: Final = (1000, 1000)
RUNS: Final = 120
SHIFT: Final = 2.0
MOST_LEVEL: Final = 0.06
LEAST_COVERAGE: Final = 0.93
OURS: Final = "ours"
OF_SEVERAL: Final = " cohorts of "  # stands in the name of every case


@dataclass(frozen=True)
class Intervals:
    """Estimates with the half width of their 95 % interval, runs x types."""

    estimate: Array
    half: Array

    def covers(self, truth: Array) -> float:
        """Share of intervals that hold the truth."""
        return float((np.abs(self.estimate - truth) <= self.half)[self.tested].mean())

    @property
    def tested(self) -> np.ndarray:
        """Where there is an interval."""
        return np.isfinite(self.half)

    def width(self) -> float:
        """Median half width."""
        return float(np.median(self.half[self.tested]))

    def found(self, among: np.ndarray) -> float:
        """Share of intervals of some types that do not hold 0."""
        return float((np.abs(self.estimate) > self.half)[:, among][self.tested[:, among]].mean())


def ours(y: Array, se: Array, df: Array) -> tuple[Array, Array]:
    """Combine as the product does: Hartung-Knapp, never narrower than normal, widened standard errors."""
    found = combine(y, sampling_variances(se, df))
    return found.estimate, found.ci_high - found.estimate


def ours_as_known(y: Array, se: Array, df: Array) -> tuple[Array, Array]:  # noqa: ARG001 - one form for all
    """Combine the same way, taking standard errors as known."""
    found = combine(y, se**2)
    return found.estimate, found.ci_high - found.estimate


def truncated(y: Array, se: Array, df: Array) -> tuple[Array, Array]:  # noqa: ARG001 - one form for all
    """Combine as metafor does with `method="PM", test="adhoc"`: the factor is at least 1."""
    found = combine(y, se**2)
    return found.estimate, stats.t.ppf(0.975, found.df) * np.maximum(found.se, found.se_normal)


def hartung_knapp(y: Array, se: Array, df: Array) -> tuple[Array, Array]:  # noqa: ARG001 - one form for all
    """Combine as metafor does with `method="PM", test="knha"`: the factor may narrow the interval."""
    found = combine(y, se**2)
    return found.estimate, stats.t.ppf(0.975, found.df) * found.se


def dersimonian_laird(y: Array, se: Array, df: Array) -> tuple[Array, Array]:  # noqa: ARG001 - one form for all
    """Combine by DerSimonian and Laird's variance with a normal interval, the most common way."""
    weights = 1 / se**2
    total = weights.sum(axis=0)
    q = (weights * (y - (weights * y).sum(axis=0) / total) ** 2).sum(axis=0)
    tau2 = np.maximum(0, (q - (len(y) - 1)) / (total - (weights**2).sum(axis=0) / total))
    weights = 1 / (se**2 + tau2)
    total = weights.sum(axis=0)
    return (weights * y).sum(axis=0) / total, stats.norm.ppf(0.975) / np.sqrt(total)


def common_effect(y: Array, se: Array, df: Array) -> tuple[Array, Array]:  # noqa: ARG001 - one form for all
    """Combine by inverse variances with a normal interval, as if all cohorts had one effect."""
    weights = 1 / se**2
    return (weights * y).sum(axis=0) / weights.sum(axis=0), stats.norm.ppf(0.975) / np.sqrt(
        weights.sum(axis=0)
    )


def average_here(y: Array, se: Array, df: Array) -> tuple[Array, Array]:
    """Average these cohorts as the product does beside its random effects."""
    found = combine(y, sampling_variances(se, df))
    return found.common_estimate, stats.norm.ppf(0.975) * found.common_se


METHODS: Final[dict[str, Callable[[Array, Array, Array], tuple[Array, Array]]]] = {
    OURS: ours,
    "our average of these cohorts": average_here,
    "ours, se as known": ours_as_known,
    "truncated Hartung-Knapp (metafor PM, adhoc)": truncated,
    "Hartung-Knapp (metafor PM, knha)": hartung_knapp,
    "DerSimonian-Laird, normal": dersimonian_laird,
    "common effect, normal": common_effect,
}


def figures(*, quick: bool) -> list[Figure]:
    """Measure all numbers of cohorts, with and without a spread between them.

    Parameters
    ----------
    quick
        A tenth of the runs.
    """
    model = next((model for model in models() if model.name == "PBMC"), None)
    if model is None:
        return [
            not_found("combined cohorts, PBMC", "share of p <= 0.05, nothing differs", f"<= {MOST_LEVEL}")
        ]
    runs = RUNS // 10 if quick else RUNS
    rows = []
    for seed, (k, spread) in enumerate((k, spread) for k in NUMBERS for spread in (0.0, SPREAD)):
        rows += _of_case(model, k, spread, runs, seed)
    return rows


def _of_case(model: Model, k: int, spread: float, runs: int, seed: int) -> list[Figure]:
    sizes = ", ".join(map(str, SIZES[:k]))
    case = f"PBMC, {k}{OF_SEVERAL}{sizes} pairs, spread {spread:g}"
    null = simulate(model, k, spread, runs, seed=seed)
    shift, moved = model.shift(SHIFT)
    shifted = simulate(model, k, spread, max(1, runs // 3), seed=1000 + seed, shift=shift)
    truth = mean_effect(model, spread)
    everything = np.arange(len(truth))
    told: dict[str, tuple[Callable[[str], float], str, Callable[[float], bool] | None]] = {
        "share of p <= 0.05, no effect on average": (
            lambda name: null[name].found(everything),
            f"<= {MOST_LEVEL}",
            lambda value: value <= MOST_LEVEL,
        ),
        "coverage of 95 % intervals of the mean effect": (
            lambda name: null[name].covers(truth),
            f">= {LEAST_COVERAGE}",
            lambda value: value >= LEAST_COVERAGE,
        ),
        f"power: p <= 0.05 of three types moved by {SHIFT:g}": (
            lambda name: shifted[name].found(moved),
            "",
            None,
        ),
        "median half width of 95 % intervals, log-odds": (lambda name: null[name].width(), "", None),
    }
    rows = []
    for metric, (measure, target, met) in told.items():
        value = measure(OURS)
        for number, peer in enumerate(name for name in METHODS if name != OURS):
            judged = met is not None and number == 0
            rows.append(
                Figure(
                    case, metric, value, measure(peer), peer, target if judged else "",
                    met(value) if met is not None and judged else None, int(null[OURS].tested.sum()), seed,
                )
            )  # fmt: skip
    return rows


def simulate(
    model: Model, k: int, spread: float, runs: int, *, seed: int, shift: Array | float = 0.0
) -> dict[str, Intervals]:
    """Draw cohorts, test each, and combine them in every way.

    Parameters
    ----------
    model
        The model of compositions.
    k
        Number of cohorts.
    spread
        Standard deviation between cohorts of the shift of each type.
    runs
        Number of meta-analyses.
    seed
        Seed of the draws.
    shift
        Mean over cohorts of what the log share of each type is moved by in the first arm.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[Array, Array]]] = {name: [] for name in METHODS}
    for _ in range(runs):
        effects = []
        for pairs in SIZES[:k]:
            moved = shift + rng.normal(0, spread, len(model.share))
            cohort = draw_cohort(rng, model, (pairs, pairs), DEPTHS, paired=True, shift=moved)
            effects.append(default_test(cohort, paired=True))
        y, se, df = (np.array([getattr(of, name) for of in effects]) for name in ("estimate", "se", "df"))
        y[np.isnan(se)] = np.nan
        for name, method in METHODS.items():
            with np.errstate(all="ignore"):
                found[name].append(method(y, se, df))
    return {
        name: Intervals(*(np.array(column) for column in zip(*of, strict=True))) for name, of in found.items()
    }


def mean_effect(model: Model, spread: float, *, n: int = 40_000) -> Array:
    """Average the true difference in log-odds of each type over the cohorts that could be.

    Parameters
    ----------
    model
        The model of compositions.
    spread
        As for `simulate`.
    n
        Number of patients, each of a cohort of its own.
    """
    if not spread:
        return np.zeros(len(model.share))
    return true_log_odds(model, np.random.default_rng(7).normal(0, spread, (n, len(model.share))), n=n)
