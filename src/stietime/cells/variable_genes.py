"""Variable genes, chosen within each batch from sums that can be gathered sample by sample.

The normalised dispersion is that of Satija et al. (Nature Biotechnology 2015), scanpy's flavour `seurat`:
it needs only the mean and the variance of every gene, fits no curve that could fail on a small batch, and
therefore never holds more than one sample in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime.cells.cell_sums import totals
from stietime.cells.gene_families import in_family
from stietime.cells.gene_sums import sum_scaled
from stietime.cells.normalisation import TARGET_COUNTS, depth_factors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Vector = NDArray[np.float64]

N_BINS: Final = 20
DECIMALS: Final = 9  # sums over blocks of cells differ beyond
POOLED: Final = "(small batches)"
# families that separate cells by damage, depth or clone; haemoglobins stay, they tell Ter cells
LEFT_OUT: Final = ("mito", "ribo", "receptor_segment")


class Moments(NamedTuple):
    """Sums over the cells of a batch, from which means and variances follow.

    Parameters
    ----------
    n_cells
        Number of cells.
    sums, squares
        Sum and sum of squares of the counts per 10,000 of each gene.
    """

    n_cells: int
    sums: Vector
    squares: Vector

    def scaled(self, depth: float) -> Moments:
        """Return the moments of the counts per `depth`."""
        factor = depth / TARGET_COUNTS
        return Moments(self.n_cells, self.sums * factor, self.squares * factor**2)

    def joined(self, other: Moments) -> Moments:
        """Return the moments of both groups of cells together."""
        return Moments(self.n_cells + other.n_cells, self.sums + other.sums, self.squares + other.squares)


def moments(counts: csr_matrix) -> Moments:
    """Sum the depth-normalised counts of each gene and their squares.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    """
    sums, squares, _ = sum_scaled(counts, depth_factors(totals(counts)))
    return Moments(counts.shape[0], sums, squares)


def gather(parts: Sequence[tuple[str, pd.Index, Moments]]) -> tuple[list[str], dict[str, Moments]]:
    """Join the moments of samples by batch, over the genes that all samples have.

    Parameters
    ----------
    parts
        For each sample (or batch within a sample): name of the batch, its genes, its moments.

    Returns
    -------
    The shared genes, in the order of the first part, and the moments of each batch over them.
    """
    shared = parts[0][1]
    for _, genes, _ in parts[1:]:
        shared = shared[shared.isin(genes)]
    batches: dict[str, Moments] = {}
    for name, genes, found in parts:
        places = genes.get_indexer(shared)
        part = Moments(found.n_cells, found.sums[places], found.squares[places])
        batches[name] = batches[name].joined(part) if name in batches else part
    return shared.tolist(), batches


def pool_small(batches: Mapping[str, Moments], min_cells: int) -> dict[str, Moments]:
    """Pool batches of few cells, in which a variance means little, into one.

    Parameters
    ----------
    batches
        Moments by name of the batch.
    min_cells
        A batch with fewer cells is pooled with the other small ones, and with the smallest large one when
        they are still too few together.

    Returns
    -------
    Moments by name; the pool is called `POOLED`.
    """
    by_size = sorted(batches, key=lambda name: (batches[name].n_cells, name))
    pool, n_pooled = [], 0
    while by_size and (batches[by_size[0]].n_cells < min_cells or 0 < n_pooled < min_cells):
        pool.append(by_size.pop(0))
        n_pooled += batches[pool[-1]].n_cells
    kept = {name: found for name, found in batches.items() if name not in pool}
    if pool:
        joined = batches[pool[0]]
        for name in pool[1:]:
            joined = joined.joined(batches[name])
        kept[POOLED] = joined
    return kept


def normalised_dispersion(batch: Moments) -> pd.DataFrame:
    """Compare the dispersion of each gene with genes of similar mean.

    dispersion = log(variance / mean) of counts per 10,000; genes are put into 20 bins of equal width by
    log(1 + mean), and the dispersion is standardised within its bin; a gene alone in its bin gets 1.

    Parameters
    ----------
    batch
        Moments of the cells of one batch.

    Returns
    -------
    One row per gene: mean (counts per 10,000) and normalised_dispersion (nan for a gene that does not vary).
    """
    n = batch.n_cells
    mean = batch.sums / max(n, 1)
    variance = np.maximum(batch.squares / max(n, 1) - mean**2, 0) * n / max(n - 1, 1)
    varies = (mean > 0) & (variance > 0)
    result = pd.DataFrame({"mean": mean, "normalised_dispersion": np.nan})
    if not varies.any():
        return result
    dispersion = pd.Series(np.log(variance[varies] / mean[varies]))
    bins = dispersion.groupby(pd.cut(np.log1p(mean[varies]), bins=N_BINS, labels=False))
    centre, spread = bins.transform("mean"), bins.transform("std")
    scaled = ((dispersion - centre) / spread).where(spread > 0, 1.0)
    result.loc[varies, "normalised_dispersion"] = scaled.to_numpy()
    return result


def rank_variable_genes(
    batches: Mapping[str, Moments],
    genes: Sequence[str],
    *,
    n_variable_genes: int = 2000,
    depth: float = TARGET_COUNTS,
) -> pd.DataFrame:
    """Choose genes that vary in many batches.

    Within each batch the genes are ranked by normalised dispersion and the first `n_variable_genes` counted
    as variable; genes are then ordered by the number of batches they vary in and by their mean normalised
    dispersion. Mitochondrial and ribosomal genes and segments of T- and B-cell receptors are never chosen:
    they separate cells by damage, depth and clone.

    Parameters
    ----------
    batches
        Moments of each batch, over the same genes.
    genes
        Gene symbols.
    n_variable_genes
        Largest number of genes that are chosen.
    depth
        Counts that cells are scaled to, by which genes of similar mean are grouped.

    Returns
    -------
    One row per chosen gene, the best first: gene, rank (from 1), n_batches, mean_normalised_dispersion, mean
    (counts per 10,000, over all cells).
    """
    left_out = np.any([in_family(genes, family) for family in LEFT_OUT], axis=0)
    scaled = [found.scaled(depth) for found in batches.values()]
    scores = np.array([normalised_dispersion(found)["normalised_dispersion"] for found in scaled])
    scores = np.round(scores, DECIMALS)
    scores[:, left_out] = np.nan
    places = pd.DataFrame(scores).rank(axis=1, ascending=False, method="first").to_numpy()
    n_cells = sum(found.n_cells for found in batches.values())
    table = pd.DataFrame(
        {
            "gene": np.asarray(genes, dtype=object),
            "n_batches": (places <= n_variable_genes).sum(axis=0),
            "mean_normalised_dispersion": np.nan_to_num(scores).mean(axis=0).round(DECIMALS),
            "mean": np.round(sum(found.sums for found in batches.values()) / n_cells, DECIMALS),
        }
    )
    order = ["n_batches", "mean_normalised_dispersion", "gene"]
    best = table[table["n_batches"] > 0].sort_values(order, ascending=[False, False, True])
    best = best.head(n_variable_genes).reset_index(drop=True)
    best.insert(1, "rank", np.arange(1, len(best) + 1))
    return best
