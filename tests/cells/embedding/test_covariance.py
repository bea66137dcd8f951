"""Components from sums over blocks, beside those of the whole matrix."""

import numpy as np
import pytest
from scipy import sparse

from stietime.cells.embedding.covariance import axes_of, products_of
from stietime.cells.embedding.integration import principal_components


def expression_of(n_cells, n_genes, seed=0):
    rng = np.random.default_rng(seed)
    groups = rng.gamma(0.5, 1, (6, n_genes))[rng.integers(0, 6, n_cells)]
    return sparse.csr_matrix(np.log1p(rng.poisson(groups)).astype(np.float32))


@pytest.mark.parametrize(("n_cells", "n_genes"), [(300, 80), (40, 200), (9000, 60)])
def test_components_are_those_of_the_whole_matrix(n_cells, n_genes):
    expression = expression_of(n_cells, n_genes)
    scores, whole = principal_components(expression, 10)
    found = axes_of(products_of(expression), 10)
    np.testing.assert_allclose(found.centre, whole.centre, rtol=1e-6)
    np.testing.assert_allclose(found.explained, whole.explained, rtol=1e-5)
    signs = np.sign((found.loadings * whole.loadings).sum(axis=0))
    np.testing.assert_allclose(found.loadings * signs, whole.loadings, atol=1e-5)
    np.testing.assert_allclose(found.project(expression) * signs, scores, atol=1e-4)
    strongest = np.abs(found.loadings).argmax(axis=0)
    assert (found.loadings[strongest, np.arange(found.loadings.shape[1])] > 0).all()


@pytest.mark.parametrize("n_filled", [0, 5, 6, 40])
def test_products_of_cells_with_few_and_with_many_genes(n_filled):
    rng = np.random.default_rng(n_filled)
    dense = np.zeros((90, 60), dtype=np.float32)
    for row in dense[:70]:  # the share of genes at which cells go another way is 0.1
        row[rng.choice(60, n_filled, replace=False)] = rng.random(n_filled)
    dense[70:, ::2] = rng.random((20, 30))
    wanted = dense.astype(np.float64)
    found = products_of(sparse.csr_matrix(dense))
    np.testing.assert_allclose(found.products, wanted.T @ wanted, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.sums, wanted.sum(axis=0), rtol=1e-12)
    shuffled = sparse.csr_matrix(dense)[:, rng.permutation(60)]  # whose indices are in no order
    restored = products_of(shuffled[:, np.arange(60)])
    np.testing.assert_allclose(np.trace(restored.products), (wanted**2).sum(), rtol=1e-12)


def test_blocks_change_the_last_digits_only():
    expression = expression_of(500, 70)
    whole = axes_of(products_of(expression), 8)
    parts = products_of(expression[:1])
    for start, stop in ((1, 130), (130, 131), (131, 500)):
        parts = parts.add(products_of(expression[start:stop]))
    assert parts.n_cells == 500
    np.testing.assert_allclose(axes_of(parts, 8).loadings, whole.loadings, atol=1e-9)


def test_too_little_to_vary_is_refused():
    with pytest.raises(ValueError, match="at least 3 cells and 3 genes, found 2 and 9"):
        axes_of(products_of(expression_of(2, 9)), 5)
    same = sparse.csr_matrix(np.ones((50, 9), dtype=np.float32) * 0.3)
    with pytest.raises(ValueError, match="vary in fewer than 2 directions"):
        axes_of(products_of(same), 5)
    assert axes_of(products_of(expression_of(4, 9)), 5).loadings.shape == (9, 3)
