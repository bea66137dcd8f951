"""Sums over stored counts against the same sums of a dense matrix."""

import numpy as np
import pytest
from scipy import sparse

from stietime.cells.cell_sums import (
    hash_rows,
    sum_largest,
    sum_markers,
    sum_sets,
)


@pytest.fixture(params=[np.int32, np.float32, np.int64])
def counts(request):
    """Counts with stored zeros, a cell without counts and a gene that no cell shows."""
    dense = np.random.default_rng(0).poisson(0.7, (40, 30))
    dense[3], dense[:, 5] = 0, 0
    stored = sparse.csr_matrix(dense + 1)
    stored.data -= 1
    return stored.astype(request.param)


def test_sums_of_sets(counts):
    members = np.random.default_rng(1).random((30, 3)) < 0.3
    sums, shown = sum_sets(counts, members)
    np.testing.assert_array_equal(sums, counts.toarray() @ members.astype(float))
    np.testing.assert_array_equal(shown, (counts.toarray() > 0).astype(int) @ members.astype(int))


def test_sums_of_markers_of_several_genes(counts):
    marker = np.full(30, -1)
    marker[[2, 4, 7]], marker[9] = 1, 0
    sums, totals = sum_markers(counts, marker, 3)
    dense = counts.toarray()
    expected = np.column_stack([dense[:, 9], dense[:, [2, 4, 7]].sum(axis=1), np.zeros(40)])
    np.testing.assert_array_equal(sums, expected)
    np.testing.assert_array_equal(totals, dense.sum(axis=1))


@pytest.mark.parametrize("n_largest", [1, 4, 30, 50])
def test_sums_of_the_largest(counts, n_largest):
    expected = np.sort(counts.toarray(), axis=1)[:, ::-1][:, :n_largest].sum(axis=1)
    np.testing.assert_array_equal(sum_largest(counts, n_largest), expected)


def test_hashes_tell_the_contents_of_cells(counts):
    counts.eliminate_zeros()
    hashes = hash_rows(counts)
    assert len(np.unique(hashes)) == 40
    order = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(hash_rows(counts[order]), hashes[order])
    swapped = sparse.csr_matrix(np.array([[1, 2], [2, 1], [0, 0], [3, 0]]))
    assert len(np.unique(hash_rows(swapped))) == 4
