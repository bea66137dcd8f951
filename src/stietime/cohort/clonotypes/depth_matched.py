"""Expansion of whole samples, as it is and at the depth a patient's samples have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stietime import names
from stietime.cohort.clonotypes.expansion import pair_probability, rarefied, spectrum
from stietime.cohort.clonotypes.kinds import CLONE
from stietime.cohort.clonotypes.rows import ALL_CELLS, row, too_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from stietime.cohort.clonotypes.startrac import Counts

CLONALITY: Final = "clonality"
GINI: Final = "gini"
MATCHED_CLONALITY: Final = "clonality_matched"
MATCHED_GINI: Final = "gini_matched"
PAIR_PROBABILITY: Final = "pair_probability"
INDICES: Final = (CLONALITY, GINI, PAIR_PROBABILITY, MATCHED_CLONALITY, MATCHED_GINI)


Sample = tuple[str, str]  # environment and time point


def expansion_rows(
    cells: pd.DataFrame, sampled: Sequence[Sample], min_cells: int
) -> Iterator[dict[str, Any]]:
    """Give the expansion in one patient's samples.

    Clonality and Gini's coefficient depend on the number of cells seen; those that end in `_matched` are
    expected at the depth of the patient's shallowest sample that has enough cells, and those alone compare
    samples. The probability that two cells are of one clone needs no matching.

    Parameters
    ----------
    cells
        One row per cell of one patient, with `clone`, `environment` and `timepoint`.
    sampled
        Environment and time point of the patient's samples.
    min_cells
        A sample with fewer cells with a clone is not testable and sets no depth.
    """
    where = list(zip(cells[names.ENVIRONMENT], cells[names.TIMEPOINT], strict=True))
    sizes: dict[Sample, Any] = {
        sample: cells.loc[[at == sample for at in where], CLONE].value_counts().to_numpy(dtype=np.int64)
        for sample in sampled
    }
    deep = [int(found.sum()) for found in sizes.values() if found.sum() >= min_cells]
    for (place, time), found in sizes.items():
        for index, value, depth in _values(found, min(deep, default=0), min_cells):
            note = too_few(int(found.sum()), min_cells, place)
            if not note and np.isnan(value):
                note = "all cells are of one clone"
            made = row(ALL_CELLS, index, value, depth, n_clones=len(found), environment=place, note=note)
            yield {names.TIMEPOINT: time, **made}


def _values(sizes: Counts, depth: int, min_cells: int) -> Iterator[tuple[str, float, int]]:
    """Give each index with its value and the number of cells it rests on."""
    n = int(sizes.sum())
    if n < min_cells:
        yield from ((index, float("nan"), n) for index in INDICES)
        return
    whole, matched = spectrum(sizes), rarefied(spectrum(sizes), depth)
    yield CLONALITY, whole.clonality(), n
    yield GINI, whole.gini(), n
    yield PAIR_PROBABILITY, pair_probability(sizes), n
    yield MATCHED_CLONALITY, matched.clonality(), depth
    yield MATCHED_GINI, matched.gini(), depth
