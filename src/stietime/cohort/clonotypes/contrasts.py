"""Tests of clones between patients: types against each other, places, times, and sharing against chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.clonotypes.depth_matched import MATCHED_CLONALITY, MATCHED_GINI, PAIR_PROBABILITY
from stietime.cohort.clonotypes.replacement_rows import REPLACEMENT
from stietime.cohort.clonotypes.rows import ALL_CELLS, Times
from stietime.cohort.clonotypes.sharing_rows import SHARING
from stietime.cohort.clonotypes.startrac import EXPANSION, MIGRATION, TRANSITION
from stietime.cohort.testing.effects import false_discovery_rates, mean_of_patients, paired_effects

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPE_VS_OTHERS: Final = "type_vs_other_types"
PLACES: Final = {
    "time_vs_stie": (names.TIME, names.STIE),
    "time_vs_normal": (names.TIME, names.NORMAL),
}
AFTER_VS_BEFORE: Final = "after_vs_before"
OBSERVED_VS_CHANCE: Final = "observed_vs_chance"
EXPANSIONS: Final = (MATCHED_CLONALITY, MATCHED_GINI, PAIR_PROBABILITY)
METHOD: Final = "moderated paired t of patients' differences"
COLUMNS: Final = (
    *("contrast", "index", "entity", "estimate", "ci_low", "ci_high", "p", "q", "p_exact", "n_patients"),
    *("mean_first", "mean_second", "method", "note"),
)


@dataclass(frozen=True)
class _Arms:
    """Values of the same patients on both sides of a contrast, patients x entities."""

    contrast: str
    index: str
    first: pd.DataFrame
    second: pd.DataFrame


def clone_contrasts(table: pd.DataFrame, *, min_pairs: int, times: Times | None = None) -> pd.DataFrame:
    """Test the indices of the table of clonotypes, with patients as the unit.

    - `type_vs_other_types`: a type's expansion, migration, transition or sharing with blood, less the mean of
      the same patient's other types, before treatment.
    - `time_vs_stie`, `time_vs_normal`: expansion in the tumour less that in blood or normal tissue of the
      same patient at the same depth, before treatment.
    - `after_vs_before:<environment>`: expansion after less before treatment, at the same depth.
    - `observed_vs_chance`: sharing, or replacement, less what dealing places out within types would give.

    Parameters
    ----------
    table
        As `clonotype_table` gives it.
    min_pairs
        With fewer patients nothing is tested.
    times
        Words for before and after treatment; an empty time point counts as before.

    Returns
    -------
    Columns of `COLUMNS`. Differences are tested by a moderated paired t (`p`) and exact sign flips
    (`p_exact`); `q` is Benjamini and Hochberg's within contrast and index, whole samples and types apart.
    """
    times = times or Times()
    parts = [_tested(arms, min_pairs) for arms in _all_arms(table, times) if arms.first.size]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def _all_arms(table: pd.DataFrame, times: Times) -> Iterator[_Arms]:
    baseline = table[table[names.TIMEPOINT].fillna("").isin(("", times.before))]
    with_blood = (baseline[names.ENVIRONMENT] == names.TIME) & (baseline["other"] == names.STIE)
    for index in (EXPANSION, MIGRATION, TRANSITION, SHARING):
        rows = baseline[(baseline["index"] == index) & (baseline["entity"] != ALL_CELLS)]
        values = _wide(rows[with_blood[rows.index]] if index == SHARING else rows, "value")
        yield _Arms(TYPE_VS_OTHERS, index, values, _mean_of_others(values))
    for contrast, places in PLACES.items():
        for index in EXPANSIONS:
            yield _Arms(contrast, index, *(_of_place(baseline, index, place) for place in places))
    for place in names.ENVIRONMENTS:
        before = table[table[names.TIMEPOINT] == times.before]
        after = table[table[names.TIMEPOINT] == times.after]
        for index in EXPANSIONS:
            arms = (_of_place(part, index, place) for part in (after, before))
            yield _Arms(f"{AFTER_VS_BEFORE}:{place}", index, *arms)
    sharing = baseline[(baseline["index"] == SHARING) & with_blood]
    whole = table["entity"] == ALL_CELLS
    replaced = table[table["index"] == REPLACEMENT]
    # whole samples vary less than their types: squeezed with them they would be tested too strictly
    parts = (sharing[whole[sharing.index]], sharing[~whole[sharing.index]], replaced[whole[replaced.index]])
    for rows in parts:
        if len(rows):
            index = str(rows["index"].iloc[0])
            yield _Arms(OBSERVED_VS_CHANCE, index, _wide(rows, "value"), _wide(rows, "expected"))


def _wide(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Set values as patients x entities; several time points count as the mean."""
    return rows.pivot_table(index=names.PATIENT, columns="entity", values=column, dropna=False)


def _of_place(rows: pd.DataFrame, index: str, place: str) -> pd.DataFrame:
    chosen = (rows["index"] == index) & (rows[names.ENVIRONMENT] == place) & (rows["entity"] == ALL_CELLS)
    return _wide(rows[chosen], "value")


def _mean_of_others(values: pd.DataFrame) -> pd.DataFrame:
    """Average a patient's other types; nan where it has none."""
    known = values.notna().to_numpy(dtype=bool)
    numbers = values.fillna(0.0).to_numpy(dtype=float)
    n = known.sum(axis=1, keepdims=True) - known
    total = numbers.sum(axis=1, keepdims=True) - numbers
    mean = np.divide(total, n, out=np.full(total.shape, np.nan), where=known & (n > 0))
    return pd.DataFrame(mean, index=values.index, columns=values.columns)


def _tested(arms: _Arms, min_pairs: int) -> pd.DataFrame:
    patients = arms.first.index.intersection(arms.second.index)
    entities = arms.first.columns.intersection(arms.second.columns)
    first, second = (side.loc[patients, entities].to_numpy(float) for side in (arms.first, arms.second))
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = np.where(both, first, np.nan), np.where(both, second, np.nan)
    effects = paired_effects(first, second, testable=np.ones(len(entities), dtype=bool), min_pairs=min_pairs)
    low, high = effects.interval()
    table = pd.DataFrame(
        {
            "contrast": arms.contrast,
            "index": arms.index,
            "entity": list(entities),
            "estimate": effects.estimate,
            "ci_low": low,
            "ci_high": high,
            "p": effects.p,
            "q": false_discovery_rates(effects.p),
            "p_exact": effects.p_exact,
            "n_patients": effects.n_first,
            "mean_first": mean_of_patients(first),
            "mean_second": mean_of_patients(second),
            "method": METHOD,
        }
    )
    numbers = zip(table["n_patients"], table["p"].isna(), strict=True)
    table["note"] = [_note(int(n), min_pairs, untested) for n, untested in numbers]
    return table[list(COLUMNS)]


def _note(n: int, min_pairs: int, untested: bool) -> str:  # noqa: FBT001 - a private sentence
    if n < min_pairs:
        return f"not testable: {n} patient{'' if n == 1 else 's'} with both sides, {min_pairs} needed"
    return "not testable: the differences are all equal" if untested else ""
