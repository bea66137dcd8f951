"""One embedding of all samples: principal components, and their correction for batch by Harmony.

Only the embedding is corrected. Counts, scores and fractions never are, so there is no "corrected matrix".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Vector = NDArray[np.float64]

# Harmony clusters cells in groups of about 30; with fewer cells there is nothing to balance
MIN_CELLS_FOR_HARMONY: Final = 30
BATCH: Final = "batch"


class Axes(NamedTuple):
    """Directions of largest variance.

    Parameters
    ----------
    loadings
        Unit vectors, genes x components; the largest entry of each is positive.
    centre
        Mean of each gene.
    explained
        Share of the total variance of each component.
    """

    loadings: Vector
    centre: Vector
    explained: Vector

    def project(self, expression: csr_matrix) -> Vector:
        """Return the coordinates of cells, cells x components."""
        return np.asarray(expression @ self.loadings - self.centre @ self.loadings)


class Components(NamedTuple):
    """Principal components of cells.

    Parameters
    ----------
    scores
        Coordinates, cells x components.
    axes
        What the coordinates are along.
    """

    scores: Vector
    axes: Axes


def require_size(n_cells: int, n_genes: int) -> None:
    """Refuse a matrix that has no principal components.

    Raises
    ------
    ValueError
        There are fewer than three cells or genes.
    """
    if min(n_cells, n_genes) < 3:
        message = f"principal components need at least 3 cells and 3 genes, found {n_cells} and {n_genes}"
        raise ValueError(message)


def too_alike(n_cells: int, n_genes: int) -> ValueError:
    """Say that cells vary in fewer than two directions."""
    return ValueError(f"{n_cells} cells vary in fewer than 2 directions over {n_genes} genes")


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
    from sklearn.decomposition import PCA
    from sklearn.utils.sparsefuncs import mean_variance_axis

    n_cells, n_genes = expression.shape
    require_size(n_cells, n_genes)
    values = expression.astype(np.float64)
    centre, variances = mean_variance_axis(values, axis=0)
    rounding = 1e-12 * float((variances + centre**2).sum())
    if variances.sum() <= rounding:  # ARPACK fails where nothing varies
        raise too_alike(n_cells, n_genes)
    n_comps = min(n_components, n_cells - 1, n_genes - 1)
    pca = PCA(n_comps, svd_solver="arpack", random_state=seed)
    scores = pca.fit_transform(values)
    n_found = int((pca.explained_variance_ > rounding).sum())
    if n_found < 2:
        raise too_alike(n_cells, n_genes)
    explained = pca.explained_variance_ratio_[:n_found]
    return Components(scores[:, :n_found], Axes(pca.components_.T[:, :n_found], centre, explained))


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
        Whether the objective stopped falling, rather than the rounds running out.
    note
        Why nothing was corrected, or which covariates were left out; otherwise empty.
    objective
        Harmony's objective before the first round and after each.
    covariates
        Covariates that were corrected.
    """

    embedding: Vector
    ran: bool
    n_iterations: int
    converged: bool
    note: str
    objective: tuple[float, ...] = ()
    covariates: tuple[str, ...] = ()


def uncorrected(components: Vector, note: str) -> Correction:
    """Return the components as they are, with the reason."""
    return Correction(components, ran=False, n_iterations=0, converged=False, note=note)


def correct_for_batch(
    components: Vector,
    batches: Sequence[str] | pd.DataFrame,
    *,
    theta: float | Sequence[float] = 2.0,
    ridge: float | None = 1.0,
    max_iterations: int = 20,
    tolerance: float = 1e-3,
    seed: int = 1,
    n_threads: int = 1,
) -> Correction:
    """Correct an embedding for batch with Harmony (Korsunsky et al., Nature Methods 2019).

    Parameters
    ----------
    components
        Principal components, cells x components.
    batches
        Batch of each cell, or a frame with one column per covariate; none may be missing. A covariate of one
        value, or with the cells of an earlier covariate's groups, is left out.
    theta
        Diversity penalty, one or one per covariate; larger mixes batches more.
    ridge
        Penalty on the size of a correction; 1 as published. None estimates it in each of Harmony's clusters
        from its size (Harmony 2), which moves small batches less.
    max_iterations
        Largest number of rounds.
    tolerance
        Harmony has converged when a round lowers the objective by less than this share of it.
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
        A batch is missing, or the number of batches is not that of the cells, or of thetas not that of the
        covariates.
    """
    covariates, thetas, left_out = _usable(_covariates(batches, len(components)), theta)
    # harmonypy finds the orientation by the number of cells, so that components must be fewer
    if not len(covariates.columns):
        return uncorrected(components, f"not corrected: {left_out}")
    if len(components) < max(MIN_CELLS_FOR_HARMONY, components.shape[1] + 1):
        return uncorrected(components, f"not corrected: {len(components)} cells are too few for Harmony")
    import harmonypy

    result = harmonypy.run_harmony(
        components,
        covariates,
        list(covariates.columns),
        theta=thetas,
        lamb=ridge,
        max_iter_harmony=max_iterations,
        epsilon_harmony=tolerance,
        random_state=seed,
        ncores=n_threads,
        verbose=False,
    )
    objective = tuple(float(value) for value in result.objective_harmony)
    return Correction(
        np.asarray(result.Z_corr, dtype=np.float64),
        ran=True,
        n_iterations=len(objective) - 1,
        converged=len(objective) - 1 < max_iterations or _settled(objective, tolerance),
        note=left_out,
        objective=objective,
        covariates=tuple(covariates.columns),
    )


def _settled(objective: Sequence[float], tolerance: float) -> bool:
    return abs(objective[-2] - objective[-1]) < tolerance * abs(objective[-2])


def _covariates(batches: Sequence[str] | pd.DataFrame, n_cells: int) -> pd.DataFrame:
    """Bring batches to a frame of strings.

    Raises
    ------
    ValueError
        A value is missing, or the number of rows is not that of the cells.
    """
    import pandas as pd

    frame = (
        batches if isinstance(batches, pd.DataFrame) else pd.DataFrame({BATCH: list(batches)}, dtype=object)
    )
    n_given = int(frame.notna().all(axis=1).sum())
    if len(frame) != n_cells or n_given < n_cells:
        message = f"expected one batch for each of {n_cells} cells, found {n_given}"
        raise ValueError(message)
    return frame.astype(str).reset_index(drop=True)


def _usable(frame: pd.DataFrame, theta: float | Sequence[float]) -> tuple[pd.DataFrame, list[float], str]:
    """Leave out covariates that cannot be corrected or already are; give the others' thetas, and why."""
    thetas = [float(value) for value in np.atleast_1d(np.asarray(theta, dtype=np.float64))]
    if len(thetas) not in (1, len(frame.columns)):
        message = (
            f"expected one theta, or one for each of {len(frame.columns)} covariates, found {len(thetas)}"
        )
        raise ValueError(message)
    thetas = thetas * len(frame.columns) if len(thetas) == 1 else thetas
    kept: dict[str, float] = {}
    reasons = []
    for column, value in zip(frame.columns, thetas, strict=True):
        found = frame[column]
        same = [other for other in kept if _same_groups(found, frame[other])]
        if found.nunique() < 2:
            reasons.append(f"all cells are of one {column} ({found.iloc[0]})")
        elif same:
            reasons.append(f"{column} has the groups of {same[0]}")
        else:
            kept[column] = value
    return frame[list(kept)], list(kept.values()), "; ".join(reasons)


def _same_groups(one: pd.Series, other: pd.Series) -> bool:
    n_pairs = len(one.to_frame("one").assign(other=other).drop_duplicates())
    return n_pairs == one.nunique() == other.nunique()
