"""What tells a doublet from a cell: artificial neighbours, genes that exclude each other, depth.

The features are those of scDblFinder (Germain et al., F1000Research 2021), computed for the cells of a
capture and for artificial doublets made of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import sparse

from stietime.cells.embedding.integration import principal_components
from stietime.cells.normalisation import log_normalise, totals
from stietime.cells.variable_genes import moments, normalised_dispersion

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Vector = NDArray[np.float64]
    Rows = NDArray[np.int64]

N_GENES: Final = 3000
MIN_CELLS_OF_GENE: Final = 3
N_COMPONENTS: Final = 10
ARTIFICIAL_PER_CELL: Final = 2
MIN_ARTIFICIAL: Final = 3000  # with fewer, the scores of small captures are left to chance
# beyond this number of cells, doublets are made of a random part of them, and neighbours sought there
MAX_REFERENCE: Final = 10_000
# two cells in one droplet share its reagents: each gives 50-100 % of its counts
MIN_SHARE_OF_CELL: Final = 0.5
NEIGHBOURS: Final = (3, 5, 10, 15, 25, 50)
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
    seen = np.asarray((counts > 0).sum(axis=0)).ravel() >= MIN_CELLS_OF_GENE
    dispersion = normalised_dispersion(moments(counts))["normalised_dispersion"].to_numpy()
    usable = np.flatnonzero(seen & ~np.isnan(dispersion))
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
    singles = sparse.csr_matrix(counts[reference])
    expression = log_normalise(singles[:, genes])
    artificial = artificial_doublets(singles, rng)
    together = sparse.csr_matrix(sparse.vstack([expression, log_normalise(artificial[:, genes])]))
    components = principal_components(together, N_COMPONENTS)
    is_reference = np.zeros(n_cells, dtype=bool)
    is_reference[reference] = True
    embedded = np.zeros((n_cells, components.scores.shape[1]))
    embedded[is_reference] = components.scores[: len(reference)]
    if not is_reference.all():
        embedded[~is_reference] = components.axes.project(log_normalise(counts[~is_reference][:, genes]))
    points = np.vstack([embedded, components.scores[len(reference) :]])
    place = np.concatenate([reference, np.arange(n_cells, len(points))])
    everything = sparse.csr_matrix(sparse.vstack([counts, artificial]))
    parts = [
        artificial_neighbours(points, place, n_cells),
        exclusive_expression(singles, everything)[:, None],
        _depth(everything),
        points,
    ]
    return Capture(np.hstack(parts), n_cells, is_reference)


def artificial_doublets(counts: csr_matrix, rng: np.random.Generator) -> csr_matrix:
    """Add the counts of random pairs of cells, as chance brings them into a droplet.

    Each cell gives a random 50-100 % of its counts.

    Parameters
    ----------
    counts
        Counts, at least two cells x genes.
    rng
        Source of the pairs.
    """
    n_cells = counts.shape[0]
    n_wanted = max(ARTIFICIAL_PER_CELL * n_cells, MIN_ARTIFICIAL)
    first = rng.integers(0, n_cells, n_wanted)
    second = (first + rng.integers(1, n_cells, n_wanted)) % n_cells
    return sparse.csr_matrix(_thinned(counts[first], rng) + _thinned(counts[second], rng))


def _thinned(counts: csr_matrix, rng: np.random.Generator) -> csr_matrix:
    share = rng.uniform(MIN_SHARE_OF_CELL, 1, counts.shape[0])
    thinned = counts.astype(np.float32)
    drawn = rng.binomial(counts.data.astype(np.int64), np.repeat(share, np.diff(counts.indptr)))
    thinned.data = drawn.astype(np.float32)
    thinned.eliminate_zeros()
    return thinned


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
    from sklearn.neighbors import NearestNeighbors

    n_sought = min(max(NEIGHBOURS), len(reference) - 1)
    embedded = points.astype(np.float32)
    search = NearestNeighbors(n_neighbors=n_sought + 1, algorithm="brute").fit(embedded[reference])
    distances, found = search.kneighbors(embedded)
    rows = reference[found]
    own = rows == np.arange(len(points))[:, None]
    own[~own.any(axis=1), -1] = True
    artificial = (rows >= n_cells)[~own].reshape(len(points), n_sought)
    near = 1 / (distances[~own].reshape(len(points), n_sought) + 1e-3)
    running = artificial.cumsum(axis=1)
    shares = [running[:, min(k, n_sought) - 1] / min(k, n_sought) for k in NEIGHBOURS]
    return np.column_stack([*shares, (near * artificial).sum(axis=1) / near.sum(axis=1)])


def exclusive_expression(singles: csr_matrix, cells: csr_matrix) -> Vector:
    """Score cells by pairs of genes that exclude each other (cxds, Bais & Kostka, Bioinformatics 2020).

    A pair of genes weighs -log P(as many cells with just one of the two, were they independent); a cell's
    score is the sum over the pairs it expresses.

    Parameters
    ----------
    singles
        Counts that the weights are found in, cells x genes.
    cells
        Counts of the cells to be scored, of the same genes.

    Returns
    -------
    One score per cell, 0 or more.
    """
    from scipy.stats import binom

    share = np.asarray((singles > 0).mean(axis=0)).ravel()
    genes = np.sort(np.argsort(-share * (1 - share), kind="stable")[:N_EXCLUSIVE_GENES])
    seen = (singles[:, genes] > 0).astype(np.float64)
    alone, both = np.asarray(seen.sum(axis=0)).ravel(), (seen.T @ seen).toarray()
    one_of_two = alone[:, None] + alone[None, :] - 2 * both
    expected = share[genes][:, None] * (1 - share[genes][None, :])
    weights = -binom.logsf(one_of_two - 1, singles.shape[0], expected + expected.T)
    finite = np.isfinite(weights)
    weights = np.where(finite, weights, weights[finite].max(initial=0.0))
    np.fill_diagonal(weights, 0)
    scores = np.empty(cells.shape[0])
    for start in range(0, len(scores), _BLOCK):
        block = (cells[start : start + _BLOCK][:, genes] > 0).astype(np.float64)
        scores[start : start + _BLOCK] = np.asarray(block.multiply(block @ weights).sum(axis=1)).ravel() / 2
    return scores


def _depth(counts: csr_matrix) -> Vector:
    return np.log1p(np.column_stack([totals(counts), np.diff(counts.indptr)]))
