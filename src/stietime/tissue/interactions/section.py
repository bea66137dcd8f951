"""A section as tests of ligands and receptors need it: cells, their types, what is permuted within."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.tissue.interactions.permuted_sums import Levels
from stietime.tissue.pairs.stratified import density_strata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ALL: Final = "all"


@dataclass(frozen=True)
class Senders:
    """How interactions are tested.

    Parameters
    ----------
    max_distance_um
        Largest distance between sender and receiver, micrometres.
    min_cells
        Fewest expressing cells of either type.
    n_draws
        Permutations where few cells express the ligand; 0 takes p from moments everywhere.
    seed
        Their seed.
    n_threads
        Threads; no result depends on them.
    """

    max_distance_um: float = 200.0
    min_cells: int = 10
    n_draws: int = 999
    seed: int = 0
    n_threads: int = 1


@dataclass(frozen=True)
class Tissue:
    """The cells of known type of one section.

    Parameters
    ----------
    positions
        Cells x 2, micrometres.
    types
        Names of the types, in the order of their codes.
    levels
        What expression is permuted within.
    blocks
        Block of tissue of every cell.
    fields
        Field of view of every cell, where fields do not adjoin.
    """

    positions: Floats
    types: Sequence[str]
    levels: Levels
    blocks: Ints
    fields: Ints | None = None

    @property
    def codes(self) -> Ints:
        """Type of every cell."""
        return self.levels.type_of[self.levels.stratum]

    @property
    def names(self) -> list[str]:
        """Names of the types, and of all together."""
        return [*self.types, ALL]


def permuted_within(codes: Ints, n_types: int, strata: Ints, totals: Floats, n_depth: int) -> Levels:
    """Divide the cells into the strata that expression is permuted within.

    A cell's values are exchanged with those of cells of its type, its stratum (region, density) and like
    depth: quantiles of the counts of the type's cells. Where a region is sequenced deeper, rates of genes
    vary less there; within like depth they are exchangeable.

    Parameters
    ----------
    codes, n_types
        Type of every cell, 0 to `n_types` - 1.
    strata
        Stratum of every cell, such as its region.
    totals
        Counts of every cell.
    n_depth
        Number of levels of depth; 1 for none.
    """
    depth = np.zeros(len(codes), dtype=np.int64)
    for code in range(n_types):
        mine = codes == code
        if n_depth > 1 and mine.any():
            depth[mine] = density_strata(totals[mine], n_depth)
    keys = np.column_stack([codes, strata, depth])
    unique, stratum = np.unique(keys, axis=0, return_inverse=True)
    return Levels(stratum.ravel().astype(np.int64), unique[:, 0].astype(np.int64), n_types)


def total_by_type(sums: Floats, tissue: Tissue) -> Floats:
    """Sum over the cells of each type (rows, the last: all) what is around them."""
    found = np.zeros((tissue.levels.n_types + 1, sums.shape[1]))
    np.add.at(found, tissue.codes, sums)
    found[-1] = found[:-1].sum(axis=0)
    return found
