"""Sums over groups of cells, whole and in parts."""

import numpy as np
import pytest
from scipy import sparse

from stietime.cells.gene_sums import add_up_groups, sum_groups, sum_scaled


@pytest.fixture(params=[np.int32, np.float32, np.int64])
def counts(request):
    """Counts with stored zeros, a cell without counts and a gene that no cell shows."""
    dense = np.random.default_rng(0).poisson(0.7, (40, 30))
    dense[3], dense[:, 5] = 0, 0
    stored = sparse.csr_matrix(dense + 1)
    stored.data -= 1
    return stored.astype(request.param)


def test_groups_are_summed_whole_and_in_parts():
    rng = np.random.default_rng(0)
    counts = sparse.random(50, 12, 0.3, "csr", rng=rng, data_rvs=lambda n: rng.integers(1, 9, n))
    counts = counts.astype(np.int32)
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel() + 5
    members = rng.random((3, 50)) < 0.5
    members[2] = False
    found = sum_groups(counts, totals, members)
    dense = counts.toarray()
    for group, rows in enumerate(members):
        np.testing.assert_array_equal(found.counts[group], dense[rows].sum(axis=0))
        assert found.totals[group] == totals[rows].sum()
        assert found.n_cells[group] == rows.sum()
    np.testing.assert_allclose(found.shares(0), dense[members[0]].sum(axis=0) / totals[members[0]].sum())
    assert not found.shares(2).any()
    parts = [sum_groups(counts[rows], totals[rows], members[:, rows]) for rows in (slice(0, 7), slice(7, 50))]
    for whole, part in zip(found, parts[0].add(parts[1]), strict=True):
        np.testing.assert_array_equal(part, whole)


def test_sums_of_groups(counts):
    group = np.arange(40) % 3
    group[7] = -1
    expected = [counts.toarray()[group == which].sum(axis=0) for which in range(4)]
    np.testing.assert_array_equal(add_up_groups(counts, group, 4), expected)


def test_sums_of_scaled_counts(counts):
    factors = np.random.default_rng(2).random(40).astype(np.float32)
    scaled = (counts.toarray().astype(np.float32) * factors[:, None]).astype(np.float64)
    sums, squares, n_cells = sum_scaled(counts, factors)
    np.testing.assert_allclose(sums, scaled.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(squares, (scaled**2).sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(n_cells, (counts.toarray() > 0).sum(axis=0))
