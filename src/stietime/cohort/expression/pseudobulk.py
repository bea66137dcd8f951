"""Pseudobulk: counts of all genes summed over the cells of each type in each sample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stietime import names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Integers = NDArray[np.int64]

LINEAGE: Final = "lineage"
CELL_TYPE: Final = "cell_type"
LEVELS: Final = (LINEAGE, CELL_TYPE)
Kind = tuple[str, str]  # lineage and cell type, the finest labels of a cell


class TypeSums(NamedTuple):
    """Sums over the cells of one sample.

    Parameters
    ----------
    genes
        Genes that the sample measures; any other is not measured in it.
    kinds
        Lineage and cell type of each row.
    counts
        Counts, kinds x genes.
    detected
        Number of cells with a count, kinds x the genes that were asked for (its columns).
    n_cells
        Number of cells of each kind.
    """

    genes: pd.Index
    kinds: tuple[Kind, ...]
    counts: NDArray[np.integer]
    detected: pd.DataFrame
    n_cells: Integers


@dataclass(frozen=True)
class Pseudobulks:
    """The sums of all samples.

    Parameters
    ----------
    samples
        Sums by sample.
    """

    samples: Mapping[str, TypeSums]

    @cached_property
    def _kinds(self) -> list[Kind]:
        return sorted({kind for sums in self.samples.values() for kind in sums.kinds})

    def types(self, level: str) -> list[str]:
        """List the lineages or cell types; cells of no known type are none."""
        place = LEVELS.index(level)
        return sorted({kind[place] for kind in self._kinds} - {names.UNKNOWN})

    def members(self, level: str, name: str) -> frozenset[Kind]:
        """Give the kinds of cells that a lineage or cell type is made of."""
        place = LEVELS.index(level)
        return frozenset(kind for kind in self._kinds if kind[place] == name)

    def cells(self, members: frozenset[Kind]) -> pd.Series:
        """Count the cells of some kinds in every sample."""
        return pd.Series(
            {name: int(sums.n_cells[_rows(sums, members)].sum()) for name, sums in self.samples.items()}
        )

    def shared_genes(self, samples: Sequence[str]) -> tuple[pd.Index, int]:
        """List the genes that all of some samples measure, and count those that only some of them do."""
        panels = [self.samples[name].genes for name in samples]
        common = every = panels[0]
        for panel in panels[1:]:
            if not panel.equals(common):
                common = common[common.isin(panel)]
            if not panel.equals(every):
                every = every.union(panel, sort=False)
        return common, len(every) - len(common)

    def counts(self, members: frozenset[Kind], samples: Sequence[str], genes: pd.Index) -> Integers:
        """Sum the counts of some kinds of cells, samples x genes; every sample must measure the genes."""
        found = np.zeros((len(samples), len(genes)), dtype=np.int64)
        for row, name in enumerate(samples):
            sums = self.samples[name]
            total = sums.counts[_rows(sums, members)].sum(axis=0, dtype=np.int64)
            found[row] = total if sums.genes.equals(genes) else total[sums.genes.get_indexer(genes)]
        return found


def _rows(sums: TypeSums, members: frozenset[Kind]) -> list[int]:
    return [row for row, kind in enumerate(sums.kinds) if kind in members]


def summed_kinds(
    genes: pd.Index,
    kinds: Sequence[Kind],
    counts: NDArray[np.floating],
    detected: NDArray[np.floating],
    n_cells: NDArray[np.floating],
    wanted: Sequence[str],
) -> TypeSums:
    """Keep of the sums of a sample the kinds it has cells of, and the detection of the wanted genes.

    Parameters
    ----------
    genes
        Genes of the sample.
    kinds
        All kinds of the cohort.
    counts, detected
        Counts, and number of cells with a count, kinds x genes.
    n_cells
        Number of cells of each kind.
    wanted
        Genes whose detection is kept, where the sample measures them.
    """
    here = np.flatnonzero(n_cells > 0)
    known = pd.Index([gene for gene in dict.fromkeys(wanted) if gene in genes], dtype=object)
    seen = detected[np.ix_(here, genes.get_indexer(known))]
    smallest = np.int32 if counts.max(initial=0) <= np.iinfo(np.int32).max else np.int64
    return TypeSums(
        genes,
        tuple(kinds[int(row)] for row in here),
        counts[here].astype(smallest),
        pd.DataFrame(seen, columns=known),
        n_cells[here].astype(np.int64),
    )
