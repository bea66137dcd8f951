"""Counts of clusters summed block by block over all cells, and compared within each patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from stietime.cells.count_kernels import sum_by_label

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]

# per 10,000 counts; keeps the fold changes of genes that are hardly seen from growing without bound
PSEUDOCOUNT: Final = 0.1


class ClusterSums(NamedTuple):
    """Sums over some cells; whole numbers, so that they do not depend on how cells are cut into blocks.

    Parameters
    ----------
    counts
        Counts, clusters x genes.
    detected
        Number of cells with a count, clusters x genes.
    depths
        Counts of all genes of the file, by cluster.
    sizes
        Number of cells, by cluster.
    """

    counts: Floats
    detected: Floats
    depths: Floats
    sizes: Floats

    @classmethod
    def empty(cls, n_clusters: int, n_genes: int) -> ClusterSums:
        """Return the sums over no cell."""
        genes, cells = np.zeros((n_clusters, n_genes)), np.zeros(n_clusters)
        return cls(genes, genes, cells, cells)

    def joined(self, other: ClusterSums) -> ClusterSums:
        """Return the sums over both groups of cells."""
        return ClusterSums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def sum_clusters(counts: csr_matrix, totals: Floats, clusters: Integers, n_clusters: int) -> ClusterSums:
    """Sum the counts of the cells of each cluster.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    totals
        Counts of each cell over all genes of the file.
    clusters
        Cluster of each cell, from 0.
    n_clusters
        Number of clusters.
    """
    summed, detected = np.zeros((2, n_clusters, counts.shape[1]))
    depths, sizes = np.zeros((2, n_clusters))
    seen = (counts.data > 0).astype(counts.data.dtype)
    sum_by_label((counts.indptr, counts.indices, counts.data), totals, clusters, summed, depths)
    sum_by_label((counts.indptr, counts.indices, seen), np.ones(len(totals)), clusters, detected, sizes)
    return ClusterSums(summed, detected, depths, sizes)


class PatientTally(NamedTuple):
    """In how many patients a gene is higher in a cluster than in the patient's other cells.

    Parameters
    ----------
    n_patients
        Patients with enough cells inside and outside, by cluster.
    higher, lower
        Those of them in whom the gene is higher or lower inside, clusters x genes; the rest are equal.
    """

    n_patients: Integers
    higher: Integers
    lower: Integers

    @classmethod
    def empty(cls, n_clusters: int, n_genes: int) -> PatientTally:
        """Return the tally of no patient."""
        nobody = np.zeros((n_clusters, n_genes), dtype=np.int64)
        return cls(np.zeros(n_clusters, dtype=np.int64), nobody, nobody.copy())

    def add(self, sums: ClusterSums, min_cells: int) -> None:
        """Add one patient.

        The mean of the log-normalised pseudobulk inside is compared with that outside; as the logarithm
        keeps order, the shares of the gene in all counts are compared instead, without a division.

        Parameters
        ----------
        sums
            Sums over all cells of the patient.
        min_cells
            Cells inside and outside without which the patient says nothing of a cluster.
        """
        outside = ClusterSums(*(part.sum(axis=0) - part for part in sums))
        enough = (sums.sizes >= min_cells) & (outside.sizes >= min_cells)
        self.n_patients[enough] += 1
        inner = sums.counts[enough] * outside.depths[enough, None]
        outer = outside.counts[enough] * sums.depths[enough, None]
        self.higher[enough] += inner > outer
        self.lower[enough] += inner < outer


def log2_fold_changes(sums: ClusterSums) -> Floats:
    """Compare the counts per 10,000 of each cluster with those of all other cells, cells pooled.

    Returns
    -------
    log2((inside + 0.1) / (outside + 0.1)), clusters x genes; nan where there are no counts inside or outside.
    """
    inside = _per_10_000(sums.counts, sums.depths)
    outside = _per_10_000(sums.counts.sum(axis=0) - sums.counts, sums.depths.sum() - sums.depths)
    folds: Floats = np.log2((inside + PSEUDOCOUNT) / (outside + PSEUDOCOUNT))
    return folds


def _per_10_000(counts: Floats, depths: Floats) -> Floats:
    known = np.where(depths > 0, depths, np.nan)
    rates: Floats = 1e4 * counts / known[:, None]
    return rates


def detection_shares(sums: ClusterSums) -> tuple[Floats, Floats]:
    """Return the share of cells with a count of each gene inside and outside each cluster, clusters x genes.

    A share of no cells is nan.
    """
    outside = sums.sizes.sum() - sums.sizes
    rest = sums.detected.sum(axis=0) - sums.detected
    sizes, others = (np.where(part > 0, part, np.nan)[:, None] for part in (sums.sizes, outside))
    return sums.detected / sizes, rest / others
