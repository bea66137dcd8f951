"""Profiles of cell types, from sums over annotated cells of several patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FULL_WEIGHT_CELLS: Final = 20  # a patient with more cells of a type counts no more in its profile
SHRINKAGE: Final = 0.05  # counts borrowed from the mean profile, as a share of a type's mean total


@dataclass(frozen=True)
class Reference:
    """Profiles of cell types.

    Parameters
    ----------
    types
        Names of the types.
    genes
        Gene symbols.
    profiles
        Types x genes: share of each gene in the type's RNA, above 0.
    counts
        Types x genes: the summed counts behind the profiles.
    counts_per_cell
        Mean molecules of a cell of each type; nan where it is not known.
    """

    types: pd.Index
    genes: pd.Index
    profiles: Floats
    counts: Floats
    counts_per_cell: Floats


def reference_profiles(sums: pd.DataFrame, *, min_cells: int = 5) -> Reference:
    """Make profiles of types from sums over the cells of each patient.

    A patient counts by the number of cells of the type, up to 20: patients are the units, and one with many
    cells does not stand for all. Each profile borrows a few counts from the mean of all, so that a gene that
    was missed in few cells is not impossible.

    Parameters
    ----------
    sums
        One row per type, patient and gene: cell_type, patient, gene, counts, n_cells, n_counts (the last two
        of the type in the patient, over all genes).
    min_cells
        A type with fewer cells in all has no profile.
    """
    groups = sums.drop_duplicates(["cell_type", "patient"]).set_index(["cell_type", "patient"])
    cells = groups.groupby(level="cell_type", sort=True)[["n_cells", "n_counts"]].sum()
    cells = cells[cells["n_cells"] >= min_cells]
    weight = groups["n_cells"].clip(upper=FULL_WEIGHT_CELLS) / groups["n_cells"]
    used = sums[sums["cell_type"].isin(cells.index)].join(
        weight.rename("weight"), on=["cell_type", "patient"]
    )
    used = used.assign(weighted=used["counts"] * used["weight"])
    table = used.pivot_table(
        index="cell_type", columns="gene", values="weighted", aggfunc="sum", fill_value=0
    )
    counts = table.reindex(cells.index).to_numpy(dtype=np.float64)
    per_cell = (cells["n_counts"] / cells["n_cells"]).to_numpy(dtype=np.float64)
    genes = pd.Index(table.columns.astype(object))
    return Reference(pd.Index(cells.index), genes, _shrunken(counts), counts, per_cell)


def _shrunken(counts: Floats) -> Floats:
    totals = counts.sum(axis=1, keepdims=True)
    mean = (counts / totals).mean(axis=0)
    borrowed = SHRINKAGE * totals.mean()
    return np.asarray((counts + borrowed * mean) / (totals + borrowed))
