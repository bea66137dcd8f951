"""Counts of the claimed genes summed over all kept cells of each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime.cohort.testing.measures import GENE_EXPRESSION, Measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse


@dataclass(frozen=True)
class Pseudobulk:
    """Summed counts of one sample.

    Parameters
    ----------
    counts
        Sum over cells per gene; genes that the sample does not have are left out.
    library
        Sum over cells and all genes.
    n_cells
        Number of cells summed.
    """

    counts: pd.Series
    library: float
    n_cells: int


def sum_genes(
    counts: sparse.csr_matrix, gene_names: pd.Index, kept: NDArray[np.bool_], wanted: Sequence[str]
) -> Pseudobulk:
    """Sum the counts of the kept cells of a sample.

    Parameters
    ----------
    counts
        Integer counts, cells x genes.
    gene_names
        Unique symbols of the columns.
    kept
        Which cells are summed.
    wanted
        Genes to give; the library is summed over all genes.
    """
    totals = np.asarray(counts[kept].sum(axis=0, dtype=np.int64)).ravel()
    found = [gene for gene in wanted if gene in gene_names]
    summed = pd.Series(totals[gene_names.get_indexer(pd.Index(found))], index=found, dtype=float)
    return Pseudobulk(summed, float(totals.sum()), int(kept.sum()))


def expression_measure(
    pseudobulks: dict[str, Pseudobulk], wanted: Sequence[str], *, min_parent_cells: int
) -> Measure:
    """Put the pseudobulks of all samples together.

    Parameters
    ----------
    pseudobulks
        By sample.
    wanted
        Genes; one that no sample has is kept, and is then not measured.
    min_parent_cells
        A sample of fewer cells is left out.

    Returns
    -------
    Counts, and the library size where the sample has the gene (else 0).
    """
    genes = list(dict.fromkeys(wanted))
    enough = {sample: bulk for sample, bulk in pseudobulks.items() if bulk.n_cells >= min_parent_cells}
    summed = pd.DataFrame({sample: bulk.counts for sample, bulk in enough.items()}, dtype=float).T
    numerator = summed.reindex(index=list(pseudobulks), columns=genes)
    libraries = pd.Series({sample: bulk.library for sample, bulk in pseudobulks.items()}, dtype=float)
    denominator = numerator.notna().mul(libraries, axis=0).astype(float)
    parents = dict.fromkeys(genes, "all")
    return Measure(GENE_EXPRESSION, numerator.fillna(0.0), denominator, 1.0, parents)
