"""The table of contrasts: every measure in every contrast, patients as the unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from stietime.cohort.composition.relative import relative_effects
from stietime.cohort.testing.effects import Effects, false_discovery_rates, mean_of_patients, smallest_exact_p
from stietime.cohort.testing.measures import GENE_EXPRESSION, Arms, Measure
from stietime.cohort.testing.patient_tests import find_effects
from stietime.cohort.testing.power import detectable_effect

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from stietime.cohort.design.designs import Contrast

# what became of an entity in a contrast
TESTED: Final = "tested"
TOO_FEW: Final = "too few patients"
NOT_MEASURED: Final = "not measured"
NOT_SEEN: Final = "not seen"
NO_VARIANCE: Final = "no variance"
CONFOUNDED: Final = "confounded"

PAIRED_METHOD: Final = "moderated paired t of patients' differences"
WELCH_METHOD: Final = "moderated Welch t of patients' means"
GENE_MISSING: Final = "the gene is in no sample"
EXACT_P_NOTED_BELOW: Final = 6  # pairs

# against the cells that moved least; of fractions of all cells and of immune cells
RELATIVE_COLUMNS: Final = (
    "estimate_relative",
    "relative_low",
    "relative_high",
    "p_relative",
    "q_relative",
    "bias",
    "reference",
)

COLUMNS: Final = (
    "contrast",
    "entity",
    "kind",
    "estimate",
    "ci_low",
    "ci_high",
    "p",
    "q",
    "n_patients",
    "n_pairs",
    "method",
    "note",
    "status",
    "p_exact",
    "se",
    "df",
    "mean_first",
    "mean_second",
    "n_first",
    "n_second",
    "parent",
    "design",
    "environment",
    "cancer",
    "treatment",
    "detectable",
    "counting_se",
    *RELATIVE_COLUMNS,
)


def compare(contrasts: Sequence[Contrast], measures: Sequence[Measure], *, min_pairs: int) -> pd.DataFrame:
    """Compare every entity of every measure in every contrast.

    Parameters
    ----------
    contrasts
        As `find_contrasts` lists them.
    measures
        Cell fractions, signatures, genes.
    min_pairs
        Fewer pairs (or patients in a group) are not tested.

    Returns
    -------
    One row per contrast, kind and entity with the columns of `COLUMNS`. An estimate above 0 means higher in
    the first arm: log-odds, difference of mean scores, or log2 fold change. `q` is Benjamini and Hochberg's
    within contrast and kind. `mean_first` and `mean_second` are means over patients of the fraction, the
    mean score, or log2 counts per million. `estimate_relative` is the log-ratio to the kinds of cells that
    moved least (`reference`), and `bias` what the estimate differs from it by. `detectable` is
    the effect found with 80 % power at p = 0.05; `counting_se` is the standard error if patients differed by
    the counting of cells or molecules alone. What is not tested has no p,
    and `note` says why.
    """
    tables = [_table(contrast, measure, min_pairs) for contrast in contrasts for measure in measures]
    if not tables:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _table(contrast: Contrast, measure: Measure, min_pairs: int) -> pd.DataFrame:
    values, effects = find_effects(contrast, measure, min_pairs=min_pairs)
    low, high = effects.interval()
    beside = _beside_reference(contrast, measure, values, effects, min_pairs)
    n_patients = effects.n_first + effects.n_second - values.n_in_both
    status = _status(effects, values, min_pairs)
    entities = list(measure.numerator.columns)
    table = pd.DataFrame(
        {
            "contrast": contrast.name,
            "entity": entities,
            "kind": measure.kind,
            "estimate": np.where(values.seen, effects.estimate, np.nan),
            "ci_low": low,
            "ci_high": high,
            "p": effects.p,
            "q": false_discovery_rates(effects.p),
            "n_patients": n_patients,
            "n_pairs": effects.n_first if contrast.paired else 0,
            "method": PAIRED_METHOD if contrast.paired else WELCH_METHOD,
            "status": status,
            "p_exact": effects.p_exact,
            "se": effects.se,
            "df": effects.df,
            "mean_first": mean_of_patients(values.natural_first),
            "mean_second": mean_of_patients(values.natural_second),
            "n_first": effects.n_first,
            "n_second": effects.n_second,
            "parent": [measure.parents.get(entity, "") for entity in entities],
            "design": contrast.design,
            "environment": contrast.environment,
            "cancer": contrast.cancer,
            "treatment": contrast.treatment,
            "detectable": detectable_effect(effects.se, effects.df),
            "counting_se": _counting_se(values, effects),
            **beside,
        }
    )
    table["note"] = [_note(row, contrast, measure, min_pairs) for row in table.to_dict("records")]
    return table


def _beside_reference(
    contrast: Contrast, measure: Measure, values: Arms, effects: Effects, min_pairs: int
) -> dict[str, Any]:
    """Give the columns of the effects relative to the steadiest cells; empty where there are none."""
    relative = relative_effects(contrast, measure, values, min_pairs=min_pairs) if measure.parts else None
    if relative is None:
        return dict.fromkeys(RELATIVE_COLUMNS, np.nan) | {"reference": ""}
    found = relative.effects
    low, high = found.interval()
    told = np.array([bool(cells) for cells in relative.reference])
    return {
        "estimate_relative": np.where(told & values.seen, found.estimate, np.nan),
        "relative_low": low,
        "relative_high": high,
        "p_relative": found.p,
        "q_relative": false_discovery_rates(found.p),
        "bias": np.where(told & values.seen, effects.estimate - found.estimate, np.nan),
        "reference": relative.reference,
    }


def _counting_se(values: Arms, effects: Effects) -> NDArray[np.float64]:
    """Give the standard error that counting alone makes; nan for signatures."""
    if values.sampling_variances is None:
        return np.full(len(effects.estimate), np.nan)
    first, second = values.sampling_variances
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(first / effects.n_first + second / effects.n_second))


def _status(effects: Effects, values: Arms, min_pairs: int) -> list[str]:
    fewest = np.minimum(effects.n_first, effects.n_second)
    conditions = [fewest == 0, ~values.seen, fewest < min_pairs, np.isnan(effects.p)]
    return [str(s) for s in np.select(conditions, [NOT_MEASURED, NOT_SEEN, TOO_FEW, NO_VARIANCE], TESTED)]


def _note(row: dict[Hashable, Any], contrast: Contrast, measure: Measure, min_pairs: int) -> str:
    """Say in words why an entity is not tested, what limits the test, and who was left out."""
    first, second, pairs = row["n_first"], row["n_second"], row["n_pairs"]
    have = (
        f"{pairs} pair{'' if pairs == 1 else 's'}"
        if contrast.paired
        else f"{first} against {second} patients"
    )
    if row["status"] == NOT_MEASURED:
        return f"not measured: {_why_not_measured(contrast, measure, str(row['entity']))}"
    if row["status"] == NOT_SEEN:
        return f"not testable: not one {_unit(measure)} in {have}"
    if row["status"] == TOO_FEW:
        return f"not testable: {have}, {min_pairs} {'needed' if contrast.paired else 'of each needed'}"
    if row["status"] == NO_VARIANCE:
        return f"not testable: the values of {have} are all equal"
    parts = []
    if contrast.paired and pairs < EXACT_P_NOTED_BELOW:
        parts.append(f"smallest exact p with {pairs} pairs is {smallest_exact_p(pairs):g}")
    if row["n_patients"] < first + second - pairs:
        parts.append(f"{first + second - row['n_patients']} patients in both groups")
    left_out = len(contrast.patients) - row["n_patients"]
    if left_out > 0:
        parts.append(f"not measured in {left_out} further {'patient' if left_out == 1 else 'patients'}")
    return "; ".join(parts)


def _unit(measure: Measure) -> str:
    return "count" if measure.kind == GENE_EXPRESSION else "cell"


def _why_not_measured(contrast: Contrast, measure: Measure, entity: str) -> str:
    if contrast.paired and not len(contrast.patients):
        return "no patient has both samples"
    if measure.kind == GENE_EXPRESSION:
        missing = not (measure.denominator[entity] > 0).any()
        return GENE_MISSING if missing else "the gene is missing in one side of the contrast"
    parent = measure.parents.get(entity, "")
    both = "with samples on both sides " if contrast.paired else ""
    return f"no patient {both}has {measure.min_denominator:g} captured cells of the parent {parent}"
