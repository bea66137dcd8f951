"""One embedding of all samples: principal components, and their correction for batch by Harmony.

Only the embedding is corrected. Counts, scores and fractions never are, so there is no "corrected matrix".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Vector = NDArray[np.float64]

# Harmony clusters cells in groups of about 30; with fewer cells there is nothing to balance
MIN_CELLS_FOR_HARMONY: Final = 30


class Components(NamedTuple):
    """Principal components of cells.

    Parameters
    ----------
    scores
        Coordinates, cells x components.
    loadings
        Unit vectors, genes x components; the largest entry of each is positive.
    centre
        Mean of each gene.
    explained
        Share of the total variance of each component.
    """

    scores: Vector
    loadings: Vector
    centre: Vector
    explained: Vector

    def project(self, expression: csr_matrix) -> Vector:
        """Return the coordinates of further cells, cells x components."""
        return np.asarray(expression @ self.loadings - self.centre @ self.loadings)


def principal_components(expression: csr_matrix, n_components: int, *, seed: int = 1) -> Components:
    """Find principal components without making the matrix dense; genes are centred and not scaled.

    The decomposition (ARPACK) is iterated to machine precision, which makes the memory needed that of the
    sparse data.

    Parameters
    ----------
    expression
        Log-normalised expression, cells x genes.
    n_components
        Number of components; fewer are returned when cells or genes are few.
    seed
        Seed of the vector that the iteration starts from, which matters for rounding only.

    Returns
    -------
    The components, by falling variance; at most one less than there are cells or genes.

    Raises
    ------
    ValueError
        There are fewer than three cells or genes, or the cells vary in fewer than two directions.
    """
    import anndata as ad
    import scanpy as sc
    from sklearn.utils.sparsefuncs import mean_variance_axis

    n_cells, n_genes = expression.shape
    if min(n_cells, n_genes) < 3:
        message = f"principal components need at least 3 cells and 3 genes, found {n_cells} and {n_genes}"
        raise ValueError(message)
    cells = ad.AnnData(expression.astype(np.float64))
    centre, variances = mean_variance_axis(cells.X, axis=0)
    n_found, rounding = 0, 1e-12 * float((variances + centre**2).sum())
    if variances.sum() > rounding:  # ARPACK fails where nothing varies
        n_comps = min(n_components, n_cells - 1, n_genes - 1)
        sc.pp.pca(cells, n_comps, svd_solver="arpack", random_state=seed, dtype="float64")
        n_found = int((cells.uns["pca"]["variance"] > rounding).sum())
    if n_found < 2:
        message = f"{n_cells} cells vary in fewer than 2 directions over {n_genes} genes"
        raise ValueError(message)
    scores, loadings = np.asarray(cells.obsm["X_pca"]), np.asarray(cells.varm["PCs"])
    explained = cells.uns["pca"]["variance_ratio"]
    return Components(scores[:, :n_found], loadings[:, :n_found], centre, explained[:n_found])


class Correction(NamedTuple):
    """An embedding corrected for batch.

    Parameters
    ----------
    embedding
        Coordinates, cells x components.
    ran
        Whether anything was corrected.
    n_iterations
        Rounds of Harmony.
    converged
        Whether it stopped before the largest number of rounds.
    note
        Why nothing was corrected; otherwise empty.
    """

    embedding: Vector
    ran: bool
    n_iterations: int
    converged: bool
    note: str


def uncorrected(components: Vector, note: str) -> Correction:
    """Return the components as they are, with the reason."""
    return Correction(components, ran=False, n_iterations=0, converged=False, note=note)


def correct_for_batch(
    components: Vector,
    batches: Sequence[str],
    *,
    theta: float = 2.0,
    max_iterations: int = 20,
    seed: int = 1,
    n_threads: int = 1,
) -> Correction:
    """Correct an embedding for batch with Harmony (Korsunsky et al., Nature Methods 2019).

    Parameters
    ----------
    components
        Principal components, cells x components.
    batches
        Batch of each cell; none may be missing.
    theta
        Diversity penalty; larger mixes batches more.
    max_iterations
        Largest number of rounds.
    seed
        Seed of the clustering within Harmony.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    The corrected embedding; the components themselves when there is one batch or there are fewer than 30
    cells.

    Raises
    ------
    ValueError
        A batch is missing, or the number of batches is not that of the cells.
    """
    import pandas as pd

    labels = pd.Series(list(batches), dtype=object)
    if len(labels) != len(components) or labels.isna().any():
        message = f"expected one batch for each of {len(components)} cells, found {int(labels.notna().sum())}"
        raise ValueError(message)
    # harmonypy finds the orientation by the number of cells, so that components must be fewer
    if labels.nunique() < 2:
        return uncorrected(components, f"not corrected: all cells are of one batch ({labels.iloc[0]})")
    if len(components) < max(MIN_CELLS_FOR_HARMONY, components.shape[1] + 1):
        return uncorrected(components, f"not corrected: {len(components)} cells are too few for Harmony")
    import harmonypy

    options = {"theta": theta, "max_iter_harmony": max_iterations, "random_state": seed, "ncores": n_threads}
    frame = pd.DataFrame({"batch": labels.astype(str)})
    result = harmonypy.run_harmony(components, frame, "batch", verbose=False, **options)
    embedding = np.asarray(result.Z_corr, dtype=np.float64)
    n_iterations = len(result.objective_harmony) - 1
    return Correction(
        embedding, ran=True, n_iterations=n_iterations, converged=n_iterations < max_iterations, note=""
    )
