"""Sums over groups of cells, whole and in parts."""

import numpy as np
from scipy import sparse

from stietime.cells.gene_sums import sum_groups


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
