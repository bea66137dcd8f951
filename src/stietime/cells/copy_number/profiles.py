"""Expression along the genome, relative to reference cells (Patel et al. 2014; Tirosh et al. 2016).

A gained chromosome raises the expression of its genes a little, a lost one lowers it. Single genes are far
too noisy to show this; the mean over about a hundred neighbours is not. The numbers are those of inferCNV's
Python port (`infercnvpy.tl.infercnv` without its noise filter), from products of sparse matrices: what a gene
that is not seen in a cell contributes is the same for all cells, and is added once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SEX_CHROMOSOMES: Final = ("X", "Y")  # their dose differs between people
CELLS_AT_ONCE: Final = 500


class GeneOrder(NamedTuple):
    """Genes in the order of the genome.

    Parameters
    ----------
    columns
        Place of each gene among the genes of the data.
    places
        One row per gene: symbol, chromosome, arm, start.
    """

    columns: NDArray[np.intp]
    places: pd.DataFrame


class Windows(NamedTuple):
    """Overlapping windows of neighbouring genes.

    Parameters
    ----------
    weights
        Genes x windows; what each gene counts in the mean of a window, columns sum to one.
    places
        One row per window: chromosome, start (of its first gene), stop (start of its last gene), n_genes.
    """

    weights: sparse.csr_matrix
    places: pd.DataFrame


class Baseline(NamedTuple):
    """Expression of each gene in the reference: the lowest and the highest mean of a lineage."""

    lower: Floats
    upper: Floats


def order_genes(genes: pd.Index, positions: pd.DataFrame) -> GeneOrder:
    """Order the genes with a known position along the autosomes.

    Parameters
    ----------
    genes
        Gene symbols of the data.
    positions
        One row per gene: symbol, chromosome, arm, start. Chromosomes are taken in the order of the rows.
    """
    known = positions[~positions["chromosome"].isin(SEX_CHROMOSOMES)]
    at = genes.get_indexer(pd.Index(known["symbol"], dtype=object))
    places = known[at >= 0]
    rank = pd.factorize(places["chromosome"])[0]
    order = np.lexsort((places["start"].to_numpy(), rank))
    return GeneOrder(at[at >= 0][order], places.iloc[order].reset_index(drop=True))


def make_windows(places: pd.DataFrame, *, window_genes: int, step_genes: int) -> Windows:
    """Lay windows over each chromosome; a gene in the middle of a window counts most (a pyramid).

    Parameters
    ----------
    places
        Genes in the order of the genome: chromosome, start.
    window_genes
        Genes in a window. A chromosome that has no more is one window, in which all count the same.
    step_genes
        Genes from the beginning of a window to that of the next.
    """
    ramp = np.arange(1, window_genes + 1)
    pyramid = np.minimum(ramp, ramp[::-1]) / np.minimum(ramp, ramp[::-1]).sum()
    rows, values, told = [], [], []
    starts = places["start"].to_numpy()
    for chromosome, members in places.groupby("chromosome", sort=False).indices.items():
        whole = len(members) <= window_genes
        weights = np.full(len(members), 1 / len(members)) if whole else pyramid
        for first in range(0, len(members) - len(weights) + 1, step_genes):
            inside = members[first : first + len(weights)]
            rows.append(inside)
            values.append(weights)
            told.append((str(chromosome), int(starts[inside[0]]), int(starts[inside[-1]]), len(inside)))
    pointers = np.cumsum([0, *map(len, rows)])
    shape = (len(places), len(rows))
    parts = (np.concatenate([*values, []]), np.concatenate([*rows, []]).astype(np.int64), pointers)
    table = pd.DataFrame(told, columns=["chromosome", "start", "stop", "n_genes"])
    return Windows(sparse.csr_matrix(sparse.csc_matrix(parts, shape=shape)), table)


def baseline_of(expression: sparse.csr_matrix, lineages: NDArray[np.object_]) -> Baseline:
    """Find the bounds between which the mean expression of the reference lineages lies.

    Parameters
    ----------
    expression
        Log-normalised expression of the reference cells, cells x genes.
    lineages
        Lineage of each cell.
    """
    codes, found = pd.factorize(lineages)
    members = sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))))
    sizes = np.bincount(codes, minlength=len(found))
    means = (members @ expression.astype(np.float64)).toarray() / sizes[:, None]
    return Baseline(means.min(axis=0), means.max(axis=0))


class Relative(NamedTuple):
    """Expression relative to the reference: `unseen` of each gene, and what `seen` counts add to it."""

    seen: sparse.csr_matrix
    unseen: Floats

    def mean(self) -> Floats:
        """Mean of each gene over the cells."""
        return np.asarray(self.seen.mean(axis=0), dtype=np.float64).ravel() + self.unseen


def relative_expression(
    expression: sparse.csr_matrix, baseline: Baseline, *, max_log_ratio: float
) -> Relative:
    """Take the log ratio to the reference: zero between the bounds, else the distance to the nearer one.

    Parameters
    ----------
    expression
        Log-normalised expression, cells x genes.
    baseline
        Bounds of the reference.
    max_log_ratio
        Log ratios are cut here (natural logarithm).
    """
    unseen = _log_ratio(np.zeros_like(baseline.lower), baseline.lower, baseline.upper, max_log_ratio)
    seen = sparse.csr_matrix(expression, dtype=np.float64, copy=True)
    genes = seen.indices
    ratios = _log_ratio(seen.data, baseline.lower[genes], baseline.upper[genes], max_log_ratio)
    seen.data = ratios - unseen[genes]
    return Relative(seen, unseen)


def _log_ratio(values: Floats, lower: Floats, upper: Floats, most: float) -> Floats:
    inside = np.clip(values, lower, upper)
    return np.clip(values - inside, -most, most)


def smooth(relative: Relative, weights: sparse.csr_matrix) -> Floats:
    """Average over windows, and set the median of each cell to zero.

    Parameters
    ----------
    relative
        Expression relative to the reference.
    weights
        Genes x windows.

    Returns
    -------
    Profiles, cells x windows.
    """
    profiles: Floats = (relative.seen @ weights).toarray() + relative.unseen @ weights
    profiles -= np.median(profiles, axis=1, keepdims=True)
    return profiles
