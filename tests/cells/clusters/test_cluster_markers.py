"""Sums of clusters, agreement of patients, and the table of markers."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import binomtest, false_discovery_control

from stietime.cells.cell_sums import totals
from stietime.cells.clusters.markers import (
    COLUMNS,
    benjamini_hochberg,
    marker_table,
    rank_sum_tests,
    sign_test,
)
from stietime.cells.clusters.sums import (
    PatientTally,
    detection_shares,
    log2_fold_changes,
    sum_clusters,
)
from stietime.cells.normalisation import log_normalise

GENES = pd.Index(["EVERYWHERE", "MARKER", "ONE_PATIENT", "NEVER", *(f"G{place}" for place in range(16))])


def planted(n_patients=6, n_cells=80, seed=0):
    """MARKER is higher in cluster 1 of every patient; ONE_PATIENT much higher in that of the first alone."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), n_cells)
    clusters = np.tile(np.arange(n_cells) % 3, n_patients)
    means = np.full((len(patients), len(GENES)), 3.0)
    means[:, 0], means[:, 3] = 20, 0
    means[:, 1] = np.where(clusters == 1, 8, 2)
    means[:, 2] = np.where((clusters == 1) & (patients == 0), 40, 3)
    means[(clusters == 1) & (patients > 0), 2] = 1
    counts = sparse.csr_matrix(rng.poisson(means).astype(np.int32))
    return counts, clusters, patients


def summed(counts, clusters, patients, min_cells=10):
    tally, found = PatientTally.empty(3, counts.shape[1]), None
    for patient in np.unique(patients):
        rows = patients == patient
        own = sum_clusters(counts[rows], totals(counts[rows]), clusters[rows], 3)
        tally.add(own, min_cells)
        found = own if found is None else found.joined(own)
    return found, tally


def table_of(counts, clusters, patients, **options):
    sums, tally = summed(counts, clusters, patients)
    tests = rank_sum_tests(log_normalise(counts), clusters, 3)
    sizes = np.bincount(clusters, minlength=3)
    return marker_table(["0", "1", "2"], GENES, tests, sums, tally, sizes, **options)


def test_sums_are_those_of_dense_counts_however_cells_are_cut():
    counts, clusters, patients = planted()
    sums, _ = summed(counts, clusters, patients)
    dense = counts.toarray()
    inside, outside = detection_shares(sums)
    folds = log2_fold_changes(sums)
    for cluster in range(3):
        mine = clusters == cluster
        np.testing.assert_array_equal(sums.counts[cluster], dense[mine].sum(axis=0))
        np.testing.assert_allclose(inside[cluster], (dense[mine] > 0).mean(axis=0))
        np.testing.assert_allclose(outside[cluster], (dense[~mine] > 0).mean(axis=0))
        rates = [1e4 * dense[rows].sum(axis=0) / dense[rows].sum() for rows in (mine, ~mine)]
        np.testing.assert_allclose(folds[cluster], np.log2((rates[0] + 0.1) / (rates[1] + 0.1)))
        assert sums.sizes[cluster] == mine.sum()
    whole = sum_clusters(counts, totals(counts), clusters, 3)
    for first, again in zip(sums, whole, strict=True):
        np.testing.assert_array_equal(first, again)


def test_depths_count_the_genes_that_are_not_shared():
    counts, clusters, _ = planted()
    part = sum_clusters(counts[:, :5], totals(counts), clusters, 3)
    assert part.depths.sum() == counts.sum()
    assert part.counts.sum() == counts[:, :5].sum()


def test_patients_are_tallied_by_their_own_log_normalised_pseudobulk():
    counts, clusters, patients = planted()
    _, tally = summed(counts, clusters, patients)
    dense = counts.toarray()
    higher, lower = np.zeros((3, len(GENES)), dtype=int), np.zeros((3, len(GENES)), dtype=int)
    for patient in range(6):
        for cluster in range(3):
            inside = (patients == patient) & (clusters == cluster)
            outside = (patients == patient) & ~inside
            bulk = [np.log1p(1e4 * dense[rows].sum(axis=0) / dense[rows].sum()) for rows in (inside, outside)]
            higher[cluster] += bulk[0] > bulk[1] + 1e-12
            lower[cluster] += bulk[0] < bulk[1] - 1e-12
    np.testing.assert_array_equal(tally.higher, higher)
    np.testing.assert_array_equal(tally.lower, lower)
    assert tally.n_patients.tolist() == [6, 6, 6]
    assert tally.higher[1, 1] == 6
    assert tally.higher[1, 2] == 1
    assert tally.higher[1, 3] == tally.lower[1, 3] == 0


def test_patients_with_few_cells_inside_or_outside_say_nothing():
    counts, clusters, patients = planted()
    assert summed(counts, clusters, patients, min_cells=27)[1].n_patients.tolist() == [6, 6, 0]
    assert summed(counts, clusters, patients, min_cells=54)[1].n_patients.tolist() == [0, 0, 0]


def test_a_gene_of_one_patient_stands_behind_those_that_patients_agree_on():
    counts, clusters, patients = planted()
    table = table_of(counts, clusters, patients, n_markers=20)
    assert table.columns.tolist() == list(COLUMNS)
    one = table[table["cluster"] == "1"].set_index("gene")
    assert one.index[0] == "MARKER"
    assert one.loc["MARKER", ["n_patients", "n_patients_higher", "consistency"]].tolist() == [6, 6, 1]
    assert one.loc["MARKER", "p_patients"] == pytest.approx(2 / 64)
    consistent = one["consistency"] >= 0.75
    assert consistent.tolist() == sorted(consistent, reverse=True)
    for part in (one[consistent], one[~consistent]):
        assert part["auc"].is_monotonic_decreasing
    assert (table["auc"] > 0.5).all()
    assert (table["note"] == "").all()
    assert "NEVER" not in set(table["gene"])


def test_pooled_fold_changes_mislead_where_patients_disagree():
    counts, clusters, patients = planted()
    sums, tally = summed(counts, clusters, patients)
    assert log2_fold_changes(sums)[1, 2] > 1
    assert tally.higher[1, 2] / tally.n_patients[1] < 0.2


def test_no_more_genes_than_asked_and_q_is_over_all_genes_of_the_cluster():
    counts, clusters, patients = planted()
    table = table_of(counts, clusters, patients, n_markers=2)
    assert table.groupby("cluster").size().le(2).all()
    tests = rank_sum_tests(log_normalise(counts), clusters, 3)
    known = ~np.isnan(tests.p[:, 1])
    expected = pd.Series(false_discovery_control(tests.p[known, 1]), index=GENES[known])
    one = table[table["cluster"] == "1"].set_index("gene")
    np.testing.assert_allclose(one["q"], expected[one.index])
    assert table.loc[0, "n_cells_in"] + table.loc[0, "n_cells_out"] == len(patients)


def test_with_one_patient_consistency_is_empty_and_genes_are_ranked_by_auc():
    table = table_of(*planted(n_patients=1))
    assert table[["consistency", "p_patients"]].isna().all(axis=None)
    told = "consistency not testable: 1 patient has 10 cells inside and outside"
    assert (table["note"] == told).all()
    one = table[table["cluster"] == "1"]
    assert one["auc"].is_monotonic_decreasing
    assert one["gene"].iloc[0] == "ONE_PATIENT"


def test_one_cluster_of_all_cells_has_a_row_that_says_why_it_has_no_marker():
    counts, clusters, patients = planted()
    sums, tally = summed(counts, np.zeros_like(clusters), patients)
    tests = rank_sum_tests(log_normalise(counts), np.zeros_like(clusters), 1)
    first = type(sums)(*(part[:1] for part in sums))
    own = type(tally)(*(part[:1] for part in tally))
    table = marker_table(["0"], GENES, tests, first, own, np.array([len(clusters)]))
    assert table["note"].tolist() == ["not testable: all cells are in this cluster"]
    assert table["gene"].isna().all()


def test_a_draw_and_few_cells_are_noted():
    counts, clusters, patients = planted()
    sums, tally = summed(counts, clusters, patients)
    some = np.r_[np.flatnonzero(clusters == 1)[:8], np.flatnonzero(clusters != 1)[:60]]
    tests = rank_sum_tests(log_normalise(counts[some]), clusters[some], 3)
    sizes = np.bincount(clusters[some], minlength=3)
    table = marker_table(["0", "1", "2"], GENES, tests, sums, tally, sizes)
    row = table[table["cluster"] == "1"].set_index("gene").loc["MARKER"]
    assert row["note"] == (
        "tested on 68 of 480 cells, drawn evenly; 8 cells are few for the normal approximation"
    )
    assert (row["n_cells_in"], row["n_cells_out"]) == (8, 60)
    assert row["n_patients_higher"] == 6  # over all cells


def test_the_sign_test_is_the_exact_one_of_scipy():
    pairs = [(higher, lower) for higher in range(9) for lower in range(9) if higher + lower]
    found = sign_test(*np.array(pairs).T)
    theirs = [binomtest(higher, higher + lower).pvalue for higher, lower in pairs]
    np.testing.assert_allclose(found, theirs, rtol=1e-12)
    assert sign_test(np.array([0]), np.array([0])).tolist() == [1.0]


def test_p_values_that_are_missing_do_not_count():
    p = np.array([0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(benjamini_hochberg(p)[[0, 2, 3]], false_discovery_control(p[[0, 2, 3]]))
    assert np.isnan(benjamini_hochberg(p)[1])
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
