"""The default test where nothing differs, and where three types do: level, FDR, power and coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from benchmarks.public_data import not_found
from benchmarks.record import NAN, Figure
from benchmarks.statistics_cohorts import draw_cohort, models, true_log_odds
from benchmarks.statistics_peers import PEERS
from stietime.cohort.design.designs import Contrast
from stietime.cohort.testing.effects import false_discovery_rates
from stietime.cohort.testing.measures import CELL_FRACTION, Measure
from stietime.cohort.testing.patient_tests import find_effects

if TYPE_CHECKING:
    from benchmarks.statistics_cohorts import Array, Cohort, Model
    from stietime.cohort.testing.effects import Effects

ALPHA: Final = 0.05
LEVEL: Final = (0.03, 0.06)
COVERAGE: Final = (0.93, 0.97)
MOST_FALSE: Final = 0.06
NULL_RUNS: Final = 2000
GROUP_RUNS: Final = 1000
SHIFTED_RUNS: Final = 600
ENOUGH_CELLS: Final = 5  # expected in the shallower samples, from which a log-odds can be told
SIZES: Final = ((4, 4), (6, 6), (10, 10))
UNEVEN: Final = (4, 10)
EQUAL_DEPTHS: Final = (1000, 1000)
UNEQUAL_DEPTHS: Final = (2000, 200)
SHIFTS: Final = {
    "PBMC": 2.0,
    "lung": 1.2,
    "T cells": 0.8,
}  # log; about as large as two spreads between samples
# no draw of those that the test was chosen on comes again
FIRST_SEED: Final = 20_000
PLAIN: Final = ("t of raw fractions", "Wilcoxon of raw fractions")
OURS: Final = "ours"


@dataclass(frozen=True)
class Case:
    """One design, simulated many times.

    Parameters
    ----------
    model
        The model of compositions.
    sizes, depths
        Patients and median cells of either arm.
    paired
        Whether both arms are of the same patients.
    """

    model: Model
    sizes: tuple[int, int]
    depths: tuple[int, int]
    paired: bool

    @property
    def name(self) -> str:
        """Describe the case in words."""
        first, second = self.sizes
        who = f"{first} pairs" if self.paired else f"{first} against {second} patients"
        return f"{self.model.name}, {who}, {self.depths[0]} and {self.depths[1]} cells"


@dataclass(frozen=True)
class Found:
    """What the runs of a case gave.

    Parameters
    ----------
    p
        P-values by method, runs x types.
    low, high
        Our intervals, runs x types.
    """

    p: dict[str, Array]
    low: Array
    high: Array

    def level(self, method: str) -> float:
        """Share of p at or below 0.05 among those that were tested."""
        p = self.p[method]
        return float((p[~np.isnan(p)] <= ALPHA).mean())

    def largest_level(self, method: str) -> float:
        """Share of p at or below 0.05 of the type that has most, of those tested in most runs."""
        p = self.p[method]
        tested = (~np.isnan(p)).sum(axis=0)
        share = (p <= ALPHA).sum(axis=0) / np.maximum(tested, 1)
        return float(share[tested >= len(p) / 2].max())

    def cuts(self, method: str) -> Array:
        """P of each type at or below which at most 0.05 of the runs lie; what is not tested is 1."""
        p = np.sort(np.where(np.isnan(self.p[method]), 1.0, self.p[method]), axis=0)
        allowed = int(ALPHA * len(p))
        # the largest value below the first that one too many runs reach: ties cannot be split
        below = np.where(p < p[allowed], p, 0.0)
        return np.asarray(below.max(axis=0))

    def q(self, method: str) -> Array:
        """Correct the p-values of each run."""
        return np.array([false_discovery_rates(row) for row in self.p[method]])

    def coverage(self, truth: Array, among: np.ndarray) -> float:
        """Share of our intervals of some types that hold the truth."""
        low, high = self.low[:, among], self.high[:, among]
        tested = ~np.isnan(low)
        return float(((low <= truth[among]) & (truth[among] <= high))[tested].mean())


def pairs_of_pbmc(*, quick: bool) -> list[Figure]:
    """Measure pairs with the frequencies of blood cells; quick: four pairs, a tenth of the runs."""
    return _measure("PBMC", paired=True, quick=quick)


def pairs_of_lung(*, quick: bool) -> list[Figure]:
    """Measure pairs with the frequencies of lung tumour and blood; quick: four pairs, a tenth of the runs."""
    return _measure("lung", paired=True, quick=quick)


def pairs_of_t_cells(*, quick: bool) -> list[Figure]:
    """Measure pairs with frequencies that nothing was chosen on; quick: four pairs, a tenth of the runs."""
    return _measure("T cells", paired=True, quick=quick)


def groups(*, quick: bool) -> list[Figure]:
    """Measure groups of patients with both frequencies; quick: four against four, a tenth of the runs."""
    return [figure for name in SHIFTS for figure in _measure(name, paired=False, quick=quick)]


def _measure(name: str, *, paired: bool, quick: bool) -> list[Figure]:
    model = next((model for model in models() if model.name == name), None)
    if model is None:
        return [not_found(f"simulated cohorts, {name}", "share of p <= 0.05, nothing differs", str(LEVEL))]
    chosen = [case for case in cases(model) if case.paired == paired]
    rows = []
    for number, case in enumerate(chosen[:1] if quick else chosen, FIRST_SEED):
        rows += _of_case(case, number, 10 if quick else 1)
    return rows


def cases(model: Model) -> list[Case]:
    """List the cases of a model."""
    depths = (EQUAL_DEPTHS, UNEQUAL_DEPTHS)
    paired = [Case(model, size, depth, paired=True) for depth in depths for size in SIZES]
    return [*paired, *(Case(model, size, UNEQUAL_DEPTHS, paired=False) for size in (*SIZES, UNEVEN))]


def _of_case(case: Case, number: int, fewer: int) -> list[Figure]:
    shift, moved = case.model.shift(SHIFTS[case.model.name])
    null = simulate(case, (NULL_RUNS if case.paired else GROUP_RUNS) // fewer, seed=number)
    shifted = simulate(case, SHIFTED_RUNS // fewer, seed=1000 + number, shift=shift)
    frequent = case.model.share * min(case.depths) >= ENOUGH_CELLS
    truth = true_log_odds(case.model, shift)
    return [
        *_level_rows(case, null, number),
        *_power_rows(case, shifted, moved, number),
        *_equal_size_rows(case, null, shifted, moved, number),
        *_coverage_rows(case, null, shifted, truth, frequent, moved, number),
    ]


def simulate(case: Case, runs: int, *, seed: int, shift: Array | float = 0.0) -> Found:
    """Draw a case many times and test each draw in every way.

    Parameters
    ----------
    case
        The case.
    runs
        Number of cohorts.
    seed
        Seed of the draws.
    shift
        What the log share of each type is moved by in the first arm.
    """
    rng = np.random.default_rng(seed)
    p: dict[str, list[Array]] = {name: [] for name in (OURS, *PEERS)}
    low: list[Array] = []
    high: list[Array] = []
    for _ in range(runs):
        cohort = draw_cohort(rng, case.model, case.sizes, case.depths, paired=case.paired, shift=shift)
        effects = default_test(cohort, paired=case.paired)
        p[OURS].append(effects.p)
        for side, bound in zip((low, high), effects.interval(), strict=True):
            side.append(bound)
        for name, test in PEERS.items():
            with np.errstate(all="ignore"):
                p[name].append(test(cohort, paired=case.paired))
    return Found({name: np.array(rows) for name, rows in p.items()}, np.array(low), np.array(high))


def default_test(cohort: Cohort, *, paired: bool) -> Effects:
    """Test a cohort as the step `compare` does.

    Parameters
    ----------
    cohort
        Counts of both arms.
    paired
        Whether both arms are of the same patients.
    """
    arms, tables = [], []
    for side, drawn in (("a", cohort.first), ("b", cohort.second)):
        patients = [f"{'p' if paired else side}{number}" for number in range(len(drawn))]
        samples = [f"{side}{number}" for number in range(len(drawn))]
        arms.append(pd.Series(patients, index=samples))
        tables.append(pd.DataFrame(drawn, index=samples))
    counts = pd.concat(tables)
    totals = counts.sum(axis=1).to_numpy()[:, None]
    depths = pd.DataFrame(np.broadcast_to(totals, counts.shape), index=counts.index, columns=counts.columns)
    contrast = Contrast("simulated", "simulated", "", arms[0], arms[1], paired=paired)
    _, effects = find_effects(contrast, Measure(CELL_FRACTION, counts, depths, 10), min_pairs=3)
    return effects


def _level_rows(case: Case, null: Found, seed: int) -> list[Figure]:
    level, false = null.level(OURS), _any_found(null, OURS)
    rows = []
    for number, peer in enumerate(PEERS):
        first = number == 0
        rows += [
            Figure(
                case.name, "share of p <= 0.05, nothing differs", level, null.level(peer), peer,
                f"{LEVEL[0]} to {LEVEL[1]}" if first else "",
                LEVEL[0] <= level <= LEVEL[1] if first else None, len(null.low), seed,
            ),
            Figure(
                case.name, "share of p <= 0.05 of the worst type, nothing differs",
                null.largest_level(OURS), null.largest_level(peer), peer, n=len(null.low), seed=seed,
            ),
            Figure(
                case.name, "share of cohorts with any q <= 0.05, nothing differs (FDR)", false,
                _any_found(null, peer), peer, f"<= {MOST_FALSE}" if first else "",
                false <= MOST_FALSE if first else None, len(null.low), seed,
            ),
        ]  # fmt: skip
    return rows


def _any_found(found: Found, method: str) -> float:
    return float((found.q(method) <= ALPHA).any(axis=1).mean())


def _power_rows(case: Case, shifted: Found, moved: np.ndarray, seed: int) -> list[Figure]:
    rows = []
    size = SHIFTS[case.model.name]
    for told, values in (("q", shifted.q), ("p", lambda method: shifted.p[method])):
        ours = float((values(OURS)[:, moved] <= ALPHA).mean())
        for peer in PEERS:
            theirs = float((values(peer)[:, moved] <= ALPHA).mean())
            plain = peer in PLAIN and told == "q"
            rows.append(
                Figure(
                    case.name, f"power: {told} <= 0.05 of three types moved by {size:g}", ours, theirs, peer,
                    ">= peer" if plain else "", ours >= theirs if plain else None, len(shifted.low), seed,
                )
            )  # fmt: skip
    return rows


def _equal_size_rows(case: Case, null: Found, shifted: Found, moved: np.ndarray, seed: int) -> list[Figure]:
    """Give the power where each method may find 0.05 of each type that does not differ, and no more."""

    def power(method: str) -> float:
        return float((shifted.p[method] <= null.cuts(method))[:, moved].mean())

    ours = power(OURS)
    metric = f"power at equal size 0.05 of three types moved by {SHIFTS[case.model.name]:g}"
    rows = []
    for peer in PEERS:
        theirs, plain = power(peer), peer in PLAIN
        rows.append(
            Figure(
                case.name, metric, ours, theirs, peer, ">= peer" if plain else "",
                ours >= theirs if plain else None, len(shifted.low), seed,
            )
        )  # fmt: skip
    return rows


def _coverage_rows(
    case: Case, null: Found, shifted: Found, truth: Array, frequent: np.ndarray, moved: np.ndarray, seed: int
) -> list[Figure]:
    everything = np.ones(len(truth), dtype=bool)
    among_moved = np.isin(np.arange(len(truth)), moved) & frequent
    told = [
        ("nothing differs, all types", null.coverage(np.zeros(len(truth)), everything), True),
        (
            f"three types moved, types of {ENOUGH_CELLS} expected cells",
            shifted.coverage(truth, frequent),
            True,
        ),
        ("three types moved, all types", shifted.coverage(truth, everything), False),
    ]
    if among_moved.any():
        told.append(("the moved types alone", shifted.coverage(truth, among_moved), False))
    return [
        Figure(
            case.name, f"coverage of 95 % intervals: {what}", value, NAN, "",
            f"{COVERAGE[0]} to {COVERAGE[1]}" if judged else "",
            COVERAGE[0] <= value <= COVERAGE[1] if judged else None, len(null.low), seed,
        )
        for what, value, judged in told
    ]  # fmt: skip
