"""Principal components from sums over blocks of cells, so that no more than a block is ever in memory.

The covariance of some thousand genes fits into memory whatever the number of cells, and its eigenvectors are
the components. All sums are of double precision, so that how cells are cut into blocks changes the last
digits only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np

from stietime.cells.embedding.integration import Axes, require_size, too_alike

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Vector = NDArray[np.float64]

ROWS: Final = 4096  # cells made dense at a time
# a cell with a larger share of the genes is faster in a dense product: as fast at 11 % of 2,000 genes
DENSE_ABOVE: Final = 0.1
ROUNDING: Final = 1e-12


class Products(NamedTuple):
    """Sums over cells, from which a covariance follows.

    Parameters
    ----------
    n_cells
        Number of cells.
    sums
        Sum of each gene.
    products
        Sum of the products of each two genes, genes x genes.
    """

    n_cells: int
    sums: Vector
    products: Vector

    def add(self, other: Products) -> Products:
        """Add the sums of further cells, in place where that saves memory."""
        self.products.__iadd__(other.products)
        return Products(self.n_cells + other.n_cells, self.sums + other.sums, self.products)


def products_of(expression: csr_matrix) -> Products:
    """Sum the expression of each gene, and the products of each two genes, over cells.

    Parameters
    ----------
    expression
        Log-normalised expression, cells x genes.
    """
    n_cells, n_genes = expression.shape
    products = np.zeros((n_genes, n_genes))
    crowded = np.diff(expression.indptr) > DENSE_ABOVE * n_genes
    sparse, rows = expression[~crowded] if crowded.any() else expression, np.flatnonzero(crowded)
    sparse.sort_indices()
    _add_products(sparse.indptr, sparse.indices, sparse.data.astype(np.float64), products)
    products += np.triu(products, 1).T
    for start in range(0, len(rows), ROWS):
        dense = expression[rows[start : start + ROWS]].toarray().astype(np.float64)
        products += dense.T @ dense
    return Products(n_cells, np.asarray(expression.sum(axis=0, dtype=np.float64)).ravel(), products)


@numba.njit(nogil=True, cache=True)
def _add_products(indptr: Vector, indices: Vector, values: Vector, products: Vector) -> None:
    """Add the products of each two genes of each cell above the diagonal; genes are in order."""
    for cell in range(len(indptr) - 1):
        for one in range(indptr[cell], indptr[cell + 1]):
            value, row = values[one], products[indices[one]]
            for other in range(one, indptr[cell + 1]):
                row[indices[other]] += value * values[other]


def axes_of(found: Products, n_components: int) -> Axes:
    """Find the directions of largest variance; genes are centred and not scaled.

    Parameters
    ----------
    found
        Sums over all cells.
    n_components
        Number of components; fewer are returned when cells or genes are few.

    Returns
    -------
    The axes by falling variance.

    Raises
    ------
    ValueError
        There are fewer than three cells or genes, or the cells vary in fewer than two directions.
    """
    from scipy.linalg import eigh

    n_cells, n_genes = found.n_cells, len(found.sums)
    require_size(n_cells, n_genes)
    centre = found.sums / n_cells
    covariance = (found.products - n_cells * np.outer(centre, centre)) / (n_cells - 1)
    total = float(np.trace(covariance))
    n_wanted = min(n_components, n_cells - 1, n_genes - 1)
    variances, vectors = eigh(covariance, subset_by_index=(n_genes - n_wanted, n_genes - 1))
    # what is left of the largest sums by rounding is no variance
    real = variances[::-1] > ROUNDING * max(float(np.trace(found.products)) / n_cells, total)
    if real.sum() < 2:
        raise too_alike(n_cells, n_genes)
    loadings = vectors[:, ::-1][:, real]
    strongest = loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])]
    explained = variances[::-1][real] / total
    return Axes(loadings * np.sign(strongest), centre, explained)
