"""Which cells copy numbers are inferred for, and which they are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

EPITHELIAL: Final = ("epithelial", "hepatocyte")
# platelets and erythroid cells express too few genes, and what has no type can be anything
NO_REFERENCE: Final = (*EPITHELIAL, "platelet", "erythroid", "unknown")
POOLED: Final = "other"  # lineages of few cells, together
LEFT_OUT: Final = ""


def is_epithelial(lineages: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Say which cells are of the epithelial lineages, whose malignant cells are looked for."""
    return np.isin(lineages.astype(str), EPITHELIAL)


def group_reference(lineages: NDArray[np.object_], *, min_cells: int) -> NDArray[np.object_]:
    """Group the immune and stromal cells, whose mean expression bounds what is normal.

    Parameters
    ----------
    lineages
        Lineage of each cell.
    min_cells
        Lineages of fewer cells are put together.

    Returns
    -------
    The lineage of each reference cell, or `other`; empty for cells that are no reference, and for all of the
    small lineages where even together they are fewer.
    """
    groups = pd.Series(lineages.astype(str), dtype=object)
    groups[groups.isin(NO_REFERENCE)] = LEFT_OUT
    for small in (POOLED, LEFT_OUT):
        sizes = groups.map(groups.value_counts())
        groups[(sizes < min_cells) & (groups != LEFT_OUT)] = small
    return groups.to_numpy(dtype=object)


def draw_halves(cells: pd.Index, groups: NDArray[np.object_], seed: int) -> NDArray[np.bool_]:
    """Split the reference in two, every group evenly, the same in whatever order cells come.

    Parameters
    ----------
    cells
        Names of the cells.
    groups
        Group of each cell.
    seed
        Key of the hash of the names.

    Returns
    -------
    Which cells are in the first half.
    """
    noise = pd.util.hash_array(cells.to_numpy(dtype=object), hash_key=f"{seed:016d}"[-16:], categorize=False)
    rank = pd.Series(noise).groupby(groups).rank(method="first")
    return np.asarray(rank % 2 == 1)
