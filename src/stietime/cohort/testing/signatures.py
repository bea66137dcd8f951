"""Sums of signature scores per sample, each over the cells of its parent."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.composition.hierarchy import tally
from stietime.cohort.testing.measures import SIGNATURE, Measure

# ratios of fractions, trajectories and ligand lists: a mean score of them has no meaning
DERIVED_SETS: Final = (
    "nlr",
    "m2_m1_ratio",
    "cd4_cd8_ratio",
    "treg_pd1_vs_teff_pd1",
    "mono_to_macrophage",
    "paracrine_range",
)
# structures of tissue, which dissociated cells cannot show
SPATIAL_SETS: Final = ("tls", "tls_cabrita", "tls_chemokine", "barrier_capsule")


def signature_measure(
    cells: pd.DataFrame, samples: pd.DataFrame, sets: pd.DataFrame, *, min_parent_cells: int
) -> Measure:
    """Sum each score over the cells of its parent, per sample.

    Parameters
    ----------
    cells
        One row per kept cell: sample, lineage, cell_type, is_<state>, score_<set_id>; a score may be nan.
    samples
        One row per sample (the index).
    sets
        The marker sets: index `set_id`, columns `parent` and `level`.
    min_parent_cells
        A patient with fewer scored cells of the parent in an arm has no value there.

    Returns
    -------
    Sums and numbers of scored cells; ratios and spatial sets are left out.
    """
    scored = [name for name in sets.index if names.score_column(name) in cells.columns]
    scored = [name for name in scored if name not in (*DERIVED_SETS, *SPATIAL_SETS)]
    labels, _, codes = tally(cells, sets)
    where = pd.Categorical(cells[names.SAMPLE].astype(str), categories=samples.index).codes
    sums, numbers = np.zeros((2, len(samples), len(scored)))
    parents = {name: labels.parent_of(name) for name in scored}
    for column, name in enumerate(scored):
        score = cells[names.score_column(name)].to_numpy(dtype=float, na_value=np.nan)
        counted = labels.members(parents[name])[codes] & ~np.isnan(score)
        chosen = where[counted]
        sums[:, column] = np.bincount(chosen, weights=score[counted], minlength=len(samples))
        numbers[:, column] = np.bincount(chosen, minlength=len(samples))
    numerator = pd.DataFrame(sums, index=samples.index, columns=scored)
    denominator = pd.DataFrame(numbers, index=samples.index, columns=scored)
    return Measure(SIGNATURE, numerator, denominator, min_parent_cells, parents)
