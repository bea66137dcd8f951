import numpy as np
import pytest
from scipy import sparse

from stietime.cells.cell_sums import totals
from stietime.cells.normalisation import log_normalise, scale_to_depth


@pytest.fixture
def counts():
    rng = np.random.default_rng(3)
    dense = rng.poisson(0.7, size=(6, 40))
    dense[2] = 0
    return sparse.csr_matrix(dense.astype(np.int32))


def test_every_cell_has_the_same_depth_and_an_empty_cell_stays_empty(counts):
    sums = totals(scale_to_depth(counts))
    assert sums[2] == 0
    np.testing.assert_allclose(np.delete(sums, 2), 1e4, rtol=1e-5)


def test_agrees_with_the_dense_formula_and_keeps_zeros(counts):
    dense = counts.toarray().astype(float)
    depth = np.maximum(dense.sum(axis=1, keepdims=True), 1)
    made = log_normalise(counts)
    np.testing.assert_allclose(made.toarray(), np.log1p(dense / depth * 1e4), rtol=1e-5)
    assert made.nnz == counts.nnz
    assert made.dtype == np.float32


def test_counts_are_not_changed(counts):
    before = counts.copy()
    log_normalise(counts)
    assert (counts != before).nnz == 0
    assert counts.dtype == np.int32


def test_totals_over_all_genes_may_be_given_for_a_panel(counts):
    whole = totals(counts)
    part = log_normalise(counts[:, :10], cell_totals=whole)
    np.testing.assert_allclose(part.toarray(), log_normalise(counts)[:, :10].toarray(), rtol=1e-6)
