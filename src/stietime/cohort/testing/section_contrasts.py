"""Numbers of tissue sections compared between patients: time points, responses and environments."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.testing.effects import (
    Effects,
    false_discovery_rates,
    group_effects,
    mean_of_patients,
    paired_effects,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

COLUMNS: Final = (
    *("contrast", "kind", "entity", "estimate", "ci_low", "ci_high", "p", "q", "p_exact", "n_patients"),
    *("n_first", "n_second", "mean_first", "mean_second", "method", "status", "note"),
)
AFTER_VS_BEFORE: Final = "after_vs_before"
MOST_SPLITS: Final = 20_000  # of patients into two groups, that are gone through one by one
PAIRED: Final = "moderated paired t of patients' means over their sections"
GROUPS: Final = "moderated Welch's t of patients' means over their sections"
VALUE_COLUMNS: Final = ("section", "kind", "entity", "value")


class Arms(NamedTuple):
    """Two choices of sections.

    Parameters
    ----------
    contrast
        Name; an estimate above 0 means higher in the first arm.
    first, second
        Whether each section belongs to the arm.
    paired
        Whether patients are compared with themselves.
    """

    contrast: str
    first: pd.Series
    second: pd.Series
    paired: bool


def section_contrasts(
    values: pd.DataFrame, sections: pd.DataFrame, *, before: str, after: str, min_pairs: int
) -> pd.DataFrame:
    """Compare what was measured in sections between patients; patients are the unit, never sections.

    Sections of a patient in one arm are averaged first. Contrasts: after against before treatment within
    patients, by environment; every two responses, between the patients' sections before treatment (or without
    a time point); every two environments, paired where enough patients have sections of both.

    Parameters
    ----------
    values
        Long table: section, kind, entity, value.
    sections
        One row per section: section, patient, environment, timepoint, response.
    before, after
        Words for before and after treatment; the case does not matter.
    min_pairs
        With fewer patients (pairs, or in a group) nothing is tested.

    Returns
    -------
    `COLUMNS`, sorted by contrast and kind. `p_exact` is that of sign flips of pairs, or of all splits of the
    patients into two groups of these sizes where there are at most 20,000. q is Benjamini and Hochberg's
    within contrast and kind.
    """
    known = values[np.isfinite(values["value"].astype(float))]
    facts = sections.set_index("section").reindex(
        columns=[names.PATIENT, names.ENVIRONMENT, names.TIMEPOINT, "response"]
    )
    facts = facts.fillna("").astype(str)
    parts = [
        _tested(arms, part, str(kind), facts[names.PATIENT], min_pairs)
        for arms in _all_arms(facts, before.casefold(), after.casefold(), min_pairs)
        for kind, part in known.groupby("kind", sort=False)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def _all_arms(facts: pd.DataFrame, before: str, after: str, min_pairs: int) -> Iterator[Arms]:
    point = facts[names.TIMEPOINT].str.strip().str.casefold()
    first_time = (point == before) | (point == "")
    places = [place for place in names.ENVIRONMENTS if (facts[names.ENVIRONMENT] == place).any()]
    for place in places:
        here = facts[names.ENVIRONMENT] == place
        yield Arms(
            f"{AFTER_VS_BEFORE}:{place}", here & (point == after), here & (point == before), paired=True
        )
        responses = sorted(set(facts.loc[here & first_time, "response"]) - {""})
        for one, other in combinations(responses, 2):
            first, second = (here & first_time & (facts["response"] == word) for word in (one, other))
            yield Arms(f"response:{one}_vs_{other}:{place}", first, second, paired=False)
    for one, other in combinations(places, 2):
        first, second = (first_time & (facts[names.ENVIRONMENT] == place) for place in (one, other))
        both = set(facts.loc[first, names.PATIENT]) & set(facts.loc[second, names.PATIENT])
        yield Arms(f"{one}_vs_{other}", first, second, paired=len(both) >= min_pairs)


def _means(values: pd.DataFrame, chosen: pd.Series, patient: pd.Series) -> pd.DataFrame:
    """Average the chosen sections of each patient: patients x entities."""
    part = values[values["section"].map(chosen).fillna(value=False).astype(bool)]
    part = part.assign(patient=part["section"].map(patient))
    return part.pivot_table(index="patient", columns="entity", values="value", aggfunc="mean", sort=False)


def _tested(arms: Arms, values: pd.DataFrame, kind: str, patient: pd.Series, min_pairs: int) -> pd.DataFrame:
    entities = list(dict.fromkeys(values["entity"]))
    sides = [_means(values, side, patient).reindex(columns=entities) for side in (arms.first, arms.second)]
    if arms.paired:
        common = sides[0].index.intersection(sides[1].index)
        first, second = (side.loc[common].to_numpy(dtype=float) for side in sides)
        both = ~(np.isnan(first) | np.isnan(second))
        first, second = np.where(both, first, np.nan), np.where(both, second, np.nan)
    else:
        first, second = (side.to_numpy(dtype=float) for side in sides)
    effects, exact = _effects(first, second, paired=arms.paired, min_pairs=min_pairs)
    low, high = effects.interval()
    n = effects.n_first if arms.paired else effects.n_first + effects.n_second
    table = pd.DataFrame(
        {
            "contrast": arms.contrast,
            "kind": kind,
            "entity": entities,
            "estimate": effects.estimate,
            "ci_low": low,
            "ci_high": high,
            "p": effects.p,
            "q": false_discovery_rates(effects.p),
            "p_exact": exact,
            "n_patients": n,
            "n_first": effects.n_first,
            "n_second": effects.n_second,
            "mean_first": mean_of_patients(first),
            "mean_second": mean_of_patients(second),
            "method": PAIRED if arms.paired else GROUPS,
        }
    )
    table["note"] = [_note(row, min_pairs, paired=arms.paired) for row in table.to_dict("records")]
    table["status"] = np.where(table["note"] == "", "tested", "not testable")
    return table[list(COLUMNS)]


def _effects(first: Matrix, second: Matrix, *, paired: bool, min_pairs: int) -> tuple[Effects, Matrix]:
    testable = np.ones(first.shape[1], dtype=bool)
    if paired:
        effects = paired_effects(first, second, testable=testable, min_pairs=min_pairs)
        return effects, effects.p_exact
    effects = group_effects(first, second, testable=testable, min_group=min_pairs)
    exact = [
        split_p(a[np.isfinite(a)], b[np.isfinite(b)]) if np.isfinite(p) else np.nan
        for a, b, p in zip(first.T, second.T, effects.p, strict=True)
    ]
    return effects, np.array(exact, dtype=float)


def split_p(first: Matrix, second: Matrix) -> float:
    """Give the exact two-sided p-value of the difference of two means when patients are split anew.

    Parameters
    ----------
    first, second
        Values of the patients of each group.

    Returns
    -------
    Share of all splits into groups of these sizes whose means are at least as far apart; missing with more
    than 20,000 splits, where the t-test serves (Fisher 1935, The Design of Experiments).
    """
    pooled, n = np.concatenate([first, second]), len(first)
    if not 0 < n < len(pooled) or comb(len(pooled), n) > MOST_SPLITS:
        return float("nan")
    chosen = np.array(list(combinations(range(len(pooled)), n)))
    sums = pooled[chosen].sum(axis=1)
    apart = np.abs(sums / n - (pooled.sum() - sums) / (len(pooled) - n))
    seen = abs(float(first.mean() - second.mean()))
    return float(np.mean(apart >= seen - 1e-9 * max(np.abs(pooled).max(), 1e-300)))


def _note(row: dict[Any, Any], min_pairs: int, *, paired: bool) -> str:
    n_first, n_second = row["n_first"], row["n_second"]
    if paired and n_first < min_pairs:
        return f"not testable: {n_first} patients with sections on both sides, {min_pairs} needed"
    if not paired and min(n_first, n_second) < min_pairs:
        return f"not testable: {n_first} and {n_second} patients, {min_pairs} needed in each group"
    return "not testable: all patients are equal" if pd.isna(row["p"]) else ""
