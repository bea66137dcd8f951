"""Which clones of a tumour after treatment are new, and whether they were in the blood before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stietime.cohort.clonotypes.kinds import CLONE
from stietime.cohort.clonotypes.sharing import shared_by_chance, two_places

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Replacement:
    """New clones among the cells of a tumour after treatment.

    Parameters
    ----------
    n_cells, n_clones
        Cells and clones after treatment.
    n_new_cells, n_new_clones
        Of them those of clones without a cell in the tumour before.
    expected
        Share of new cells were cells dealt to before and after at random within their type: what depth
        alone makes look new.
    n_cells_from, n_clones_from
        Of the new cells and clones those seen in the other repertoire, such as blood before treatment.
    """

    n_cells: int
    n_clones: int
    n_new_cells: int
    n_new_clones: int
    expected: float
    n_cells_from: int
    n_clones_from: int


def replacement(before: pd.DataFrame, after: pd.DataFrame, source: pd.DataFrame) -> Replacement:
    """Find the clones of a tumour after treatment that were not seen in it before.

    Parameters
    ----------
    before, after
        One row per cell of one patient's tumour, with `clone` and `kind`.
    source
        The same of the place new clones may come from; may be empty.
    """
    old, outside = set(before[CLONE]), set(source[CLONE])
    sizes = after[CLONE].value_counts()
    is_new = np.array([clone not in old for clone in sizes.index], dtype=bool)
    is_from = is_new & np.array([clone in outside for clone in sizes.index], dtype=bool)
    n = sizes.to_numpy()
    chance = shared_by_chance(two_places(before, after)) if len(before) and len(after) else None
    return Replacement(
        n_cells=int(n.sum()),
        n_clones=len(n),
        n_new_cells=int(n[is_new].sum()),
        n_new_clones=int(is_new.sum()),
        expected=1 - chance.of_second if chance else float("nan"),
        n_cells_from=int(n[is_from].sum()),
        n_clones_from=int(is_from.sum()),
    )
