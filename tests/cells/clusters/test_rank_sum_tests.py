"""Wilcoxon's rank-sum test of every cluster, beside scipy and scanpy."""

from itertools import pairwise

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse
from scipy.stats import mannwhitneyu

from stietime.cells.clusters.markers import rank_sum_tests


def values_with_ties(n_cells=300, n_genes=40, seed=0, density=0.3):
    """Many zeros, many ties above zero; the last gene is never seen, the one before it always the same."""
    rng = np.random.default_rng(seed)
    dense = rng.poisson(2, (n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < density)
    dense[:, -1], dense[:, -2] = 0, 3
    clusters = rng.choice(3, n_cells, p=[0.6, 0.35, 0.05])
    dense[clusters == 2, :5] += 2
    return sparse.csr_matrix(np.log1p(dense).astype(np.float32)), clusters


def test_auc_and_p_are_those_of_scipy():
    values, clusters = values_with_ties()
    dense = values.toarray().astype(np.float64)
    found = rank_sum_tests(values, clusters, 3)
    for cluster in range(3):
        inside, outside = dense[clusters == cluster], dense[clusters != cluster]
        with np.errstate(invalid="ignore", divide="ignore"):
            theirs = mannwhitneyu(inside, outside, use_continuity=False, method="asymptotic")
        auc = theirs.statistic / (len(inside) * len(outside))
        np.testing.assert_allclose(found.auc[:, cluster], auc, rtol=1e-12)
        np.testing.assert_allclose(found.p[:-2, cluster], theirs.pvalue[:-2], rtol=1e-9)
    assert np.isnan(found.p[-2:]).all()
    assert np.isnan(found.z[-2:]).all()
    assert (found.auc[-2:] == 0.5).all()


def test_scores_are_those_of_scanpy():
    values, clusters = values_with_ties(seed=1)
    obs = pd.DataFrame({"cluster": pd.Categorical(clusters.astype(str))}, index=[f"c{i}" for i in range(300)])
    cells = ad.AnnData(values, obs=obs)
    sc.tl.rank_genes_groups(cells, "cluster", method="wilcoxon", tie_correct=True)
    found = rank_sum_tests(values, clusters, 3)
    for cluster in range(3):
        theirs = sc.get.rank_genes_groups_df(cells, str(cluster)).set_index("names")
        theirs = theirs.loc[list(cells.var_names[:-2])]
        # scanpy keeps scores with the digits of float32
        np.testing.assert_allclose(found.z[:-2, cluster], theirs["scores"], rtol=2e-6, atol=1e-7)
        np.testing.assert_allclose(found.p[:-2, cluster], theirs["pvals"], rtol=1e-9)


def test_threads_and_the_genes_beside_change_nothing():
    values, clusters = values_with_ties(60, 2500, seed=2)
    found = rank_sum_tests(values, clusters, 3)
    again = rank_sum_tests(values, clusters, 3, n_threads=2)
    alone = rank_sum_tests(values[:, 1030:1040], clusters, 3)
    for whole, threaded, part in zip(found, again, alone, strict=True):
        np.testing.assert_array_equal(whole, threaded)
        np.testing.assert_array_equal(whole[1030:1040], part)


def test_neither_stored_zeros_nor_the_order_of_entries_matter_and_the_input_is_not_changed():
    values, clusters = values_with_ties(60, 700)
    values.data[::3] = 0
    starts = values.indptr.copy()
    order = np.concatenate([np.arange(*span)[::-1] for span in pairwise(starts)])
    stored = sparse.csr_matrix((values.data[order], values.indices[order], starts), values.shape)
    before = stored.data.copy(), stored.indices.copy()
    values.eliminate_zeros()
    assert stored.nnz > values.nnz
    pairs = zip(rank_sum_tests(stored, clusters, 3), rank_sum_tests(values, clusters, 3), strict=True)
    for mine, other in pairs:
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(stored.data, before[0])
    np.testing.assert_array_equal(stored.indices, before[1])


def test_nothing_is_written_to_the_terminal(capfd):
    rank_sum_tests(*values_with_ties(50), 3)
    assert capfd.readouterr() == ("", "")


def test_one_cluster_of_all_cells_and_an_empty_cluster_have_no_test():
    values, _ = values_with_ties(50)
    found = rank_sum_tests(values, np.zeros(50, dtype=int), 2)
    for part in found:
        assert part.shape == (40, 2)
        assert np.isnan(part).all()


def test_a_cluster_without_a_cell_leaves_the_others_where_they_are():
    values, clusters = values_with_ties()
    found = rank_sum_tests(values, clusters + (clusters > 0), 4)
    expected = rank_sum_tests(values, clusters, 3)
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine[:, [0, 2, 3]], other)
        assert np.isnan(mine[:, 1]).all()
