"""The values of single patients behind the contrasts, one row each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.testing.measures import Measure, arms, pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stietime.cohort.design.designs import Contrast

COLUMNS: Final = (*("contrast", "kind", "entity", names.PATIENT, "arm", "value", "natural", "n", "n_parent"),)
FIRST: Final = "first"
SECOND: Final = "second"


def patient_values(
    contrasts: Sequence[Contrast], measures: Sequence[Measure], wanted: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """List the values that contrasts rest on.

    Parameters
    ----------
    contrasts, measures
        As `compare` takes them.
    wanted
        Entities by kind of measure; others are left out.

    Returns
    -------
    One row per contrast, kind, entity, patient and arm (first, second) with a value: `value` on the scale of
    the test (log-odds at the common depth, mean score, log2 counts per million), `natural` (fraction, mean
    score, log2 counts per million), `n` of `n_parent` (cells of the entity of those of its parent; sum of
    scores of scored cells; counts of the gene of all counts). Where differences are compared, `value` and
    `natural` are the patient's differences, and n is empty.
    """
    tables = [
        table
        for contrast in contrasts
        for measure in measures
        for table in _tables(contrast, _restricted(measure, wanted.get(measure.kind, ())))
    ]
    if not tables:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _restricted(measure: Measure, wanted: Sequence[str]) -> Measure:
    kept = [entity for entity in measure.numerator.columns if entity in set(wanted)]
    return replace(measure, numerator=measure.numerator[kept], denominator=measure.denominator[kept])


def _tables(contrast: Contrast, measure: Measure) -> Iterator[pd.DataFrame]:
    entities = measure.numerator.columns
    if not len(entities):
        return
    values = arms(measure, contrast)
    sides = ((FIRST, values.first, values.natural_first), (SECOND, values.second, values.natural_second))
    for (arm, value, natural), patients in zip(sides, _patients(contrast), strict=True):
        rows, columns = np.nonzero(~np.isnan(value))
        table = pd.DataFrame(
            {
                "contrast": contrast.name,
                "kind": measure.kind,
                "entity": entities.to_numpy()[columns],
                names.PATIENT: np.asarray(patients, dtype=object)[rows],
                "arm": arm,
                "value": value[rows, columns],
                "natural": natural[rows, columns],
            }
        )
        for name, counts in (("n", measure.numerator), ("n_parent", measure.denominator)):
            table[name] = np.nan
            if contrast.minus is None:
                pooled = pool(counts, contrast.first if arm == FIRST else contrast.second)
                table[name] = pooled.loc[list(patients)].to_numpy()[rows, columns]
        yield table


def _patients(contrast: Contrast) -> list[list[str]]:
    """Name the patients of the rows of either arm, in the order that pooling gives them."""
    if contrast.minus is not None:
        inner = [replace(contrast, minus=None, paired=True).patients, contrast.minus.patients]
        each = [contrast.patients] * 2 if contrast.paired else inner
    else:
        unpaired = [pd.Index(contrast.first), pd.Index(contrast.second)]
        each = [contrast.patients] * 2 if contrast.paired else unpaired
    return [sorted(set(patients)) for patients in each]
