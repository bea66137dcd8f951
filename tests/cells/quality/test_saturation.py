"""Saturation of cells: by hand, against what was planted, and on real samples."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from stietime.cells.quality.saturation import coverage, saturation


def test_coverage_is_one_less_the_genes_counted_once():
    counts = sparse.csr_matrix(np.array([[1, 1, 0, 8], [1, 1, 1, 1], [5, 0, 5, 0], [0, 0, 0, 0]]))
    np.testing.assert_allclose(coverage(counts), [0.8, 0.0, 1.0, np.nan])
    assert saturation(counts) == pytest.approx(0.8)  # the cell without counts does not count


def test_without_counts_it_is_not_known():
    assert np.isnan(saturation(sparse.csr_matrix((0, 5), dtype=np.int32)))
    assert np.isnan(saturation(sparse.csr_matrix((4, 5), dtype=np.int32)))


def test_it_is_the_share_of_the_rna_whose_gene_was_seen():
    """The truth is known here: the profile that the cells were drawn from."""
    rng = np.random.default_rng(1)
    profile = rng.dirichlet(np.full(3000, 0.2))
    for depth in (100, 500, 3000):
        counts = rng.multinomial(depth, profile, 200)
        seen = ((counts > 0) * profile).sum(axis=1)
        found = coverage(sparse.csr_matrix(counts))
        assert found.mean() == pytest.approx(seen.mean(), abs=0.01)
        assert saturation(sparse.csr_matrix(counts)) == pytest.approx(np.median(found))


@pytest.mark.data
def test_real_cells_are_well_above_the_limits_until_they_are_thinned(data_dir):
    cells = ad.read_h5ad(data_dir / "hao2021_pbmc_1000_raw" / "hao_pbmc_1000.h5ad")
    counts = sparse.csr_matrix(cells.X).astype(np.int64)
    assert 0.7 < saturation(counts) < 0.9
    depth = np.asarray(counts.sum(axis=1)).ravel().mean()
    thinned = []
    for kept in (1000, 100, 20):
        part = counts.copy()
        part.data = np.random.default_rng(1).binomial(part.data, min(1, kept / depth))
        part.eliminate_zeros()
        thinned.append(saturation(part))
    assert thinned == sorted(thinned, reverse=True)
    assert 0.5 < thinned[0] < 0.7
    assert thinned[2] < 0.2
