"""Signature scores by ranks within a cell (UCell).

A score depends on nothing but the cell's own counts: not on other cells, nor on the order of cells or genes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.cells.marker_sets import positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cells.marker_sets import MarkerSets

_MAX_VALUES_PER_BLOCK = 20_000_000  # non-zero counts ranked at once: about 0.5 GB


def closeness_of_ranks(
    counts: sparse.csr_matrix, genes: NDArray[np.intp], max_rank: int
) -> sparse.csr_matrix:
    """Measure how near the top of its cell each gene ranks: `max_rank - rank`, 0 from `max_rank` on.

    The detected genes of a cell are ranked from the largest count (rank 1) down; ties share the mean of
    their ranks, rounded down as pyucell does. Only the genes asked for are kept, and genes with no count are
    never stored: they are at `max_rank` by definition.

    Parameters
    ----------
    counts
        Cells x genes, integer counts.
    genes
        Positions of the genes that are kept, shape (n_kept,).
    max_rank
        Rank from which on genes count as equally low.

    Returns
    -------
    Cells x kept genes.
    """
    counts = sparse.csr_matrix(counts)
    rows = _rows_per_block(counts)
    blocks = [
        _closeness_of_block(counts[start : start + rows], genes, max_rank)
        for start in range(0, counts.shape[0], rows)
    ]
    if not blocks:
        return sparse.csr_matrix((0, len(genes)))
    return cast("sparse.csr_matrix", sparse.vstack(blocks, format="csr"))


def _rows_per_block(counts: sparse.csr_matrix) -> int:
    per_row = max(1, counts.nnz // max(1, counts.shape[0]))
    return int(max(1, _MAX_VALUES_PER_BLOCK // per_row))


def _closeness_of_block(
    counts: sparse.csr_matrix, genes: NDArray[np.intp], max_rank: int
) -> sparse.csr_matrix:
    counts.eliminate_zeros()
    kept = sparse.csr_matrix(counts[:, genes])
    cell, is_one = _cell_of_value(kept), kept.data == 1
    # most counts are 1 and share the last ranks of their cell, so only the larger ones need sorting
    larger = counts.data > 1
    cell_of_larger = _cell_of_value(counts)[larger]
    n_larger = np.bincount(cell_of_larger, minlength=counts.shape[0])
    starts = np.cumsum(n_larger) - n_larger
    keys = np.sort(_sort_keys(cell_of_larger, counts.data[larger]))
    wanted = _sort_keys(cell[~is_one], kept.data[~is_one])
    n_before, n_up_to = n_larger[cell], np.diff(counts.indptr)[cell].astype(np.int64)
    n_before[~is_one] = np.searchsorted(keys, wanted, side="left") - starts[cell[~is_one]]
    n_up_to[~is_one] = np.searchsorted(keys, wanted, side="right") - starts[cell[~is_one]]
    ranks = (n_before + 1 + n_up_to) // 2
    closeness = np.maximum(max_rank - ranks, 0).astype(np.float64)
    return sparse.csr_matrix((closeness, kept.indices, kept.indptr), shape=kept.shape)


def _cell_of_value(counts: sparse.csr_matrix) -> NDArray[np.int64]:
    return np.repeat(np.arange(counts.shape[0], dtype=np.int64), np.diff(counts.indptr))


def _sort_keys(cell: NDArray[np.int64], values: NDArray[np.number]) -> NDArray[np.int64]:
    """One number per count that sorts by cell, then from the largest count down."""
    largest = np.int64(2**32 - 1)
    return np.asarray((cell << np.int64(32)) + (largest - values.astype(np.int64)))


def score_signatures(
    counts: sparse.csr_matrix,
    genes: pd.Index,
    sets: MarkerSets,
    *,
    max_rank: int = 1500,
    min_coverage: float = 0.5,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score all marker sets in every cell with UCell, positive and negative genes apart.

    With ``n`` genes of a set in the data and their ranks ``r``, ``U = sum(r) - n (n + 1) / 2`` and
    ``score = 1 - U / (max_rank n - n (n + 1) / 2)``: 0 when no gene is detected, 1 when the genes are
    the first of the cell (Andreatta and Carmona 2021, doi:10.1016/j.csbj.2021.06.043; the definition of
    ranks is that of pyucell with ``missing_genes="skip"``). Genes that are not in the data are left out,
    not taken as undetected.

    Parameters
    ----------
    counts
        Cells x genes, integer counts.
    genes
        Gene symbols of the columns.
    sets
        Marker sets; genes that are not among `genes` must not be in them.
    max_rank
        UCell's maxRank; must be the same for all samples that are compared (see `capped_max_rank`).
    min_coverage
        A set with a smaller share of its positive genes in the data is not scored.

    Returns
    -------
    The positive scores and the negative scores, each cells x scored sets, from 0 to 1, float32. The
    negative score of a set without negative genes is 0.
    """
    scored = (sets.coverage["coverage"] >= min_coverage) & (sets.coverage["n_present"] > 0)
    names = sets.set_ids[scored.to_numpy()]
    closeness = closeness_of_ranks(counts, positions(genes, sets.genes), max_rank)
    columns = np.flatnonzero(scored.to_numpy())
    tables = [
        pd.DataFrame(_normalised_u(closeness, matrix[:, columns], max_rank), columns=names)
        for matrix in (sets.positive, sets.negative)
    ]
    return tables[0], tables[1]


def _normalised_u(closeness: Any, members: sparse.csr_matrix, max_rank: int) -> NDArray[np.float32]:  # noqa: ANN401 - scipy has no types
    """Divide the summed closeness by its largest possible value; equal to 1 - U / U_max."""
    n = np.asarray(members.sum(axis=0)).ravel()
    largest = n * max_rank - n * (n + 1) / 2
    summed = (closeness @ members).toarray()
    scores = np.divide(summed, largest, out=np.zeros_like(summed), where=largest > 0)
    return np.asarray(scores, dtype=np.float32)


def combine_directions(positive: pd.DataFrame, negative: pd.DataFrame) -> pd.DataFrame:
    """Subtract the negative from the positive score; the result may be below 0.

    UCell itself cuts the difference off at 0. That would take away what tells a state whose negative genes
    all its parent cells have, such as class II in M-MDSC, so it is kept here.

    Parameters
    ----------
    positive, negative
        Cells x sets, from `score_signatures`.

    Returns
    -------
    Cells x sets, from -1 to 1.
    """
    return positive - negative


def capped_max_rank(max_rank: int, n_genes: int) -> int:
    """Cap maxRank at the number of genes in the data, as a small panel cannot fill more ranks.

    Parameters
    ----------
    max_rank
        What was asked for.
    n_genes
        The smallest number of genes of the samples, so that all are scored alike.
    """
    return max(1, min(max_rank, n_genes))
