"""The numerical part of PyDESeq2, compiled: the same estimates in a small part of the time.

PyDESeq2 takes an object that fits genes, one Python call for each by default. Here the loops are compiled;
formulas, starting values, limits and stopping rules are those of PyDESeq2 0.5. Two things are as in R's
DESeq2 instead: means below 0.5 count as 0.5 in the dispersions and standard errors of every design, and
dispersions on a flat slope run to the limit instead of stopping on the way.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from stietime.cohort.expression.kernels import fit_coefficients, fit_dispersions

if TYPE_CHECKING:
    from collections.abc import Callable

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

RIDGE: Final = 1e-6
LARGEST_COEFFICIENT: Final = 30
LEAST_MEAN: Final = 0.5  # R's minmu
GENES_AT_A_TIME: Final = 512  # of the covariances of the coefficients


class CompiledInference:
    """What `DeseqDataSet` and `DeseqStats` call, for all genes at a time.

    Parameters
    ----------
    n_threads
        Number of threads that share the genes; no estimate depends on it.
    """

    def __init__(self, n_threads: int = 1) -> None:
        from pydeseq2.default_inference import DefaultInference

        self.n_cpus = n_threads
        self._default: Any = DefaultInference(n_cpus=1)

    def lin_reg_mu(
        self, counts: Matrix, size_factors: Vector, design_matrix: Matrix, min_mu: float
    ) -> Matrix:
        """Fit the means of a design of groups by least squares, samples x genes."""
        scaled = counts / size_factors[:, None]
        fitted = design_matrix @ (np.linalg.pinv(design_matrix) @ scaled)
        return np.asarray(np.maximum(size_factors[:, None] * fitted, min_mu))

    def irls(
        self,
        counts: Matrix,
        size_factors: Vector,
        design_matrix: Matrix,
        disp: Vector,
        min_mu: float,
        beta_tol: float,
        **further: Any,  # noqa: ANN401 - as PyDESeq2 gives them
    ) -> tuple[Matrix, Matrix, Matrix, NDArray[np.bool_]]:
        """Fit the coefficients of every gene; those that do not converge are left to PyDESeq2.

        Returns
        -------
        Coefficients (genes x coefficients, natural log), means and leverages (samples x genes), converged.
        """
        by_gene, design = _plain(counts.T), _plain(design_matrix)
        n_genes, n = by_gene.shape
        beta, mu, leverage = (
            np.empty((n_genes, design.shape[1])),
            np.empty((n_genes, n)),
            np.empty((n_genes, n)),
        )
        converged = np.empty(n_genes, dtype=np.bool_)
        factors, inverse, given = _plain(size_factors), _plain(np.linalg.pinv(design)), _plain(disp)
        limits = (min_mu, beta_tol, RIDGE, LARGEST_COEFFICIENT)

        def _fit(part: slice) -> None:
            found = (beta[part], mu[part], leverage[part], converged[part])
            fit_coefficients(by_gene[part], factors, design, inverse, given[part], limits, found)

        self._share(_fit, n_genes)
        left = np.flatnonzero(~converged)
        if len(left):
            rest = self._default.irls(
                counts[:, left], size_factors, design_matrix, disp[left], min_mu, beta_tol, **further
            )
            beta[left], mu[left], leverage[left], converged[left] = rest[0], rest[1].T, rest[2].T, rest[3]
        return beta, mu.T, leverage.T, converged

    def alpha_mle(  # noqa: PLR0917 - as PyDESeq2 calls it
        self,
        counts: Matrix,
        design_matrix: Matrix,
        mu: Matrix,
        alpha_hat: Vector,
        min_disp: float,
        max_disp: float,
        prior_disp_var: float | None = None,
        cr_reg: bool = True,  # noqa: ARG002, FBT001, FBT002 - always on, as PyDESeq2 calls it
        prior_reg: bool = False,  # noqa: FBT001, FBT002 - as PyDESeq2 calls it
    ) -> tuple[Vector, NDArray[np.bool_]]:
        """Estimate every gene's dispersion, with its prior around `alpha_hat` if there is one."""
        by_gene, means = _plain(counts.T), _plain(np.maximum(mu.T, LEAST_MEAN))
        design, start = _plain(design_matrix), _plain(alpha_hat)
        precision = 1 / prior_disp_var if prior_reg and prior_disp_var else 0.0
        limits = (float(np.log(min_disp)), float(np.log(max_disp)))
        found = np.empty(len(by_gene))

        def _fit(part: slice) -> None:
            fit_dispersions(by_gene[part], means[part], design, start[part], limits, precision, found[part])

        self._share(_fit, len(by_gene))
        return found, np.ones(len(found), dtype=np.bool_)

    def wald_test(
        self,
        design_matrix: Matrix,
        disp: Vector,
        lfc: Matrix,
        mu: Matrix,
        ridge_factor: Matrix,
        contrast: Vector,
        lfc_null: float,  # noqa: ARG002 - always 0
        alt_hypothesis: str | None = None,  # noqa: ARG002 - always two-sided
    ) -> tuple[Vector, Vector, Vector]:
        """Test c'beta = 0, two-sided: p, z, and the standard error (natural log) of every gene."""
        from scipy.stats import norm

        mu = np.maximum(mu, LEAST_MEAN)
        weights = (mu / (1 + mu * disp)).T
        se = np.full(len(weights), np.nan)
        known = np.flatnonzero(np.isfinite(weights).all(axis=1) & np.isfinite(lfc).all(axis=1))
        for part in np.array_split(known, max(1, -(-len(known) // GENES_AT_A_TIME))):
            products = np.einsum("gn,np,nq->gpq", weights[part], design_matrix, design_matrix, optimize=True)
            half = np.linalg.solve(
                products + ridge_factor, np.broadcast_to(contrast[:, None], (len(part), len(contrast), 1))
            )[..., 0]
            se[part] = np.sqrt(np.einsum("gp,gpq,gq->g", half, products, half))
        z = np.asarray(lfc @ contrast / se)
        return 2 * norm.sf(np.abs(z)), z, se

    def fit_rough_dispersions(self, normed_counts: Matrix, design_matrix: Matrix) -> Vector:
        """As PyDESeq2 does."""
        return np.asarray(self._default.fit_rough_dispersions(normed_counts, design_matrix))

    def fit_moments_dispersions(self, normed_counts: Matrix, size_factors: Vector) -> Vector:
        """As PyDESeq2 does."""
        return np.asarray(self._default.fit_moments_dispersions(normed_counts, size_factors))

    def _share(self, function: Callable[[slice], None], n_genes: int) -> None:
        """Apply a function to equal parts of the genes, on threads."""
        ends = np.linspace(0, n_genes, self.n_cpus + 1).astype(int)
        parts = [slice(int(a), int(b)) for a, b in pairwise(ends) if b > a]
        if len(parts) == 1:
            function(parts[0])
            return
        with ThreadPoolExecutor(self.n_cpus) as pool:
            list(pool.map(function, parts))


def _plain(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values, dtype=np.float64)
