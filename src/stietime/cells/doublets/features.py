"""What tells a doublet from a cell: artificial neighbours, genes that exclude each other, depth.

The features are those of scDblFinder (Germain et al., F1000Research 2021), computed for the cells of a
capture and for artificial doublets made of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import sparse

from stietime.cells.cell_sums import totals
from stietime.cells.doublets.artificial import artificial_doublets
from stietime.cells.embedding.integration import principal_components
from stietime.cells.embedding.knn_graph import make_lists, nearest_of_all, search_lists
from stietime.cells.gene_sums import sum_scaled
from stietime.cells.normalisation import depth_factors, log_normalise
from stietime.cells.variable_genes import Moments, normalised_dispersion

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.embedding.knn_graph import Found

    Vector = NDArray[np.float64]
    Rows = NDArray[np.int64]

N_GENES: Final = 3000
MIN_CELLS_OF_GENE: Final = 3
N_COMPONENTS: Final = 10
# beyond this number of cells, doublets are made of a random part of them, and neighbours sought there
MAX_REFERENCE: Final = 10_000
NEIGHBOURS: Final = (3, 5, 10, 15, 25, 50)
EXACT_UP_TO: Final = 8000  # points among which all neighbours are found, and of more nearly all
RECALL: Final = 0.99
N_EXCLUSIVE_GENES: Final = 500
_BLOCK: Final = 5000


class Capture(NamedTuple):
    """Cells of a capture and artificial doublets.

    Parameters
    ----------
    features
        Features, cells first and artificial doublets after them.
    n_cells
        Number of cells.
    is_reference
        Whether each cell could be a part of an artificial doublet.
    """

    features: Vector
    n_cells: int
    is_reference: NDArray[np.bool_]


def informative_genes(counts: csr_matrix) -> Rows:
    """Find the most variable genes among those seen in at least three cells.

    Parameters
    ----------
    counts
        Counts, cells x genes.

    Returns
    -------
    Columns, rising.
    """
    sums, squares, n_cells = sum_scaled(counts, depth_factors(totals(counts)))
    of_genes = normalised_dispersion(Moments(counts.shape[0], sums, squares))
    dispersion = of_genes["normalised_dispersion"].to_numpy()
    usable = np.flatnonzero((n_cells >= MIN_CELLS_OF_GENE) & ~np.isnan(dispersion))
    return np.sort(usable[np.argsort(-dispersion[usable], kind="stable")[:N_GENES]])


def describe_capture(counts: csr_matrix, genes: Rows, rng: np.random.Generator) -> Capture:
    """Make artificial doublets, and describe them and the cells by the same features.

    Parameters
    ----------
    counts
        Counts of the cells of one capture, cells x genes.
    genes
        Columns that components are found in.
    rng
        Source of the pairs.

    Returns
    -------
    The features.

    Raises
    ------
    ValueError
        The cells vary in fewer than two directions.
    """
    n_cells = counts.shape[0]
    reference = np.sort(rng.choice(n_cells, min(n_cells, MAX_REFERENCE), replace=False))
    singles = counts if len(reference) == n_cells else sparse.csr_matrix(counts[reference])
    exclusive = exclusive_genes(singles)
    wanted, depth = np.union1d(genes, exclusive), totals(counts)
    cells = counts[:, wanted]
    made = artificial_doublets(cells[reference], depth[reference], rng)
    everything = sparse.csr_matrix(sparse.vstack([cells, made.counts]))
    place = np.concatenate([reference, np.arange(n_cells, everything.shape[0])])
    informative = everything[:, np.searchsorted(wanted, genes)]
    expression = log_normalise(informative, cell_totals=totals(informative))
    if len(place) == everything.shape[0]:
        points = principal_components(expression, N_COMPONENTS).scores
    else:
        points = principal_components(expression[place], N_COMPONENTS).axes.project(expression)
    parts = [
        artificial_neighbours(points, place, n_cells),
        exclusive_expression(everything[:, np.searchsorted(wanted, exclusive)], reference)[:, None],
        np.log1p(np.column_stack([np.append(depth, made.totals), np.diff(everything.indptr)])),
        points,
    ]
    is_reference = np.zeros(n_cells, dtype=bool)
    is_reference[reference] = True
    return Capture(np.hstack(parts), n_cells, is_reference)


def artificial_neighbours(points: Vector, reference: Rows, n_cells: int) -> Vector:
    """Count artificial doublets among the nearest neighbours.

    Parameters
    ----------
    points
        Embedding of cells and, after them, artificial doublets.
    reference
        Rows among which neighbours are sought; never the point itself.
    n_cells
        Number of cells.

    Returns
    -------
    Share of artificial doublets among the nearest 3, 5, 10, 15, 25 and 50 neighbours (fewer where there are
    fewer), then weighted by the inverse distance.
    """
    n_sought = min(max(NEIGHBOURS), len(reference) - 1)
    embedded = points.astype(np.float32)
    found, squared = _nearest(embedded[reference], embedded, n_sought + 1)
    rows, distances = reference[found], np.sqrt(squared.astype(np.float64))
    own = rows == np.arange(len(points))[:, None]
    own[~own.any(axis=1), -1] = True
    artificial = (rows >= n_cells)[~own].reshape(len(points), n_sought)
    near = 1 / (distances[~own].reshape(len(points), n_sought) + 1e-3)
    running = artificial.cumsum(axis=1)
    shares = [running[:, min(k, n_sought) - 1] / min(k, n_sought) for k in NEIGHBOURS]
    return np.column_stack([*shares, (near * artificial).sum(axis=1) / near.sum(axis=1)])


def _nearest(points: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> Found:
    """Find the nearest points of each query; among many, nearly all of them."""
    if len(points) <= EXACT_UP_TO:
        return nearest_of_all(queries, points, k)
    return search_lists(make_lists(points, k, recall=RECALL, seed=0), queries, k)


def exclusive_genes(singles: csr_matrix) -> Rows:
    """Find the 500 genes that are closest to being seen in half of the cells.

    Parameters
    ----------
    singles
        Counts, cells x genes, without stored zeros.

    Returns
    -------
    Columns, rising.
    """
    n_seen = singles.getnnz(axis=0).astype(np.int64)
    return np.sort(np.argsort(-n_seen * (singles.shape[0] - n_seen), kind="stable")[:N_EXCLUSIVE_GENES])


def exclusive_expression(counts: csr_matrix, reference: Rows) -> Vector:
    """Score cells by pairs of genes that exclude each other (cxds, Bais & Kostka, Bioinformatics 2020).

    Parameters
    ----------
    counts
        Counts of the genes whose pairs are looked at, cells x genes.
    reference
        Rows of the cells that the weights of the pairs are found in.

    Returns
    -------
    One score per cell, 0 or more: the sum of the weights of the pairs it expresses.
    """
    scores = np.empty(counts.shape[0])
    seen = np.empty(counts.shape, dtype=np.float32)
    for start in range(0, len(scores), _BLOCK):
        seen[start : start + _BLOCK] = counts[start : start + _BLOCK].toarray() > 0
    weights = exclusive_weights(seen[reference]).astype(np.float32)
    for start in range(0, len(scores), _BLOCK):
        own = seen[start : start + _BLOCK]
        scores[start : start + _BLOCK] = (own * (own @ weights)).sum(axis=1, dtype=np.float64) / 2
    return scores


def exclusive_weights(seen: NDArray[np.float32]) -> Vector:
    """Weigh pairs of genes, the more the clearer they exclude each other.

    A pair weighs -log P(as many cells with just one of the two, were they independent: binomial).

    Parameters
    ----------
    seen
        1 where a cell shows a gene, else 0; cells x genes.

    Returns
    -------
    Genes x genes, symmetric, 0 on the diagonal.
    """
    from scipy.special import betainc

    n_cells = len(seen)
    both = (seen.T @ seen).astype(np.float64)  # whole numbers, exact below 2^24
    alone = np.diag(both)
    first, second = np.triu_indices(len(both), 1)
    one_of_two = alone[first] + alone[second] - 2 * both[first, second]
    share = alone / n_cells
    expected = share[first] * (1 - share[second]) + share[second] * (1 - share[first])
    with np.errstate(divide="ignore"):
        of_pairs = -np.log(betainc(one_of_two, n_cells - one_of_two + 1, expected))
    of_pairs[one_of_two == 0] = 0
    finite = np.isfinite(of_pairs)
    of_pairs = np.where(finite, of_pairs, of_pairs[finite].max(initial=0.0))
    weights = np.zeros(both.shape)
    weights[first, second] = weights[second, first] = of_pairs
    return weights
