"""Compiled sums and likelihoods against the plain formulas in numpy and scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cells.cell_types import LINEAGES, supporting_genes
from stietime.cells.types import classify, naive_bayes, t_cells
from stietime.cells.types.annotation import annotate_cells, lineage_genes
from stietime.cells.types.classify import MarkerCounts
from stietime.resources import read_markers
from stietime.simulate.cohort import simulate_cells

MARKERS = read_markers()


def plain_profiles(counts, totals, membership, prior):
    """Weighted sums by sparse products."""
    if membership.ndim == 1:
        known = np.flatnonzero(membership >= 0)
        shape = (len(membership), len(prior))
        membership = sparse.csr_matrix((np.ones(len(known)), (known, membership[known])), shape=shape)
    weights = sparse.csr_matrix(membership)
    summed, depth = (weights.T @ counts).toarray(), np.asarray(weights.T @ totals).ravel()[:, None]
    return (summed + naive_bayes.PRIOR_COUNTS * prior) / (depth + naive_bayes.PRIOR_COUNTS)


def plain_log_likelihood(counts, totals, profiles, depths=None, *, n_threads=1):
    """One profile after the other, over the genes that some cell shows."""
    size = 1 / naive_bayes.DISPERSION
    seen = np.asarray(counts.sum(axis=0)).ravel() > 0
    counts, profiles = sparse.csr_matrix(counts[:, seen]), profiles[:, seen]
    cell = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    found = np.empty((counts.shape[0], len(profiles)))
    for column, profile in enumerate(profiles):
        empty = -size * np.log1p(np.outer(totals, profile) / size).sum(axis=1)
        mean = totals[cell] * profile[counts.indices]
        present = counts.data * np.log(mean / (mean + size))
        found[:, column] = empty + np.bincount(cell, present, minlength=counts.shape[0])
    return found


@pytest.fixture(scope="module")
def data():
    """Marker counts of simulated cells, with a gene and a cell without counts, and some cells twice."""
    parts = [simulate_cells(500, seed=8, environment=environment) for environment in ("TIME", "STIE")]
    whole = sparse.csr_matrix(sparse.vstack([part.X for part in parts]))
    genes = parts[0].var_names
    kept = lineage_genes(MARKERS, genes)
    counts = sparse.lil_matrix(whole[:, genes.get_indexer(kept)])
    totals = np.asarray(whole.sum(axis=1), dtype=np.float64).ravel()
    counts[:, 3], counts[7], totals[7] = 0, 0, 0
    counts = sparse.csr_matrix(counts, dtype=np.int32)
    twice = sparse.csr_matrix(sparse.vstack([counts, counts[:40]], format="csr"))
    return MarkerCounts(twice, pd.Index(kept), np.concatenate([totals, totals[:40]]))


def test_likelihood_is_that_of_the_formula_for_any_type_of_counts_and_threads(data):
    rng = np.random.default_rng(0)
    profiles = rng.dirichlet(np.ones(len(data.genes)), 7) * 0.2
    profiles[:, 3] = 0  # a gene that no cell shows
    expected = plain_log_likelihood(data.counts, data.totals, profiles)
    found = naive_bayes.log_likelihood(data.counts, data.totals, profiles)
    np.testing.assert_allclose(found, expected, rtol=1e-11)
    assert found.std(axis=0).min() > 10
    again = naive_bayes.log_likelihood(data.counts.astype(np.float64), data.totals, profiles, n_threads=2)
    np.testing.assert_array_equal(again, found)


def test_stored_zeros_say_nothing(data):
    profiles = np.full((2, len(data.genes)), 1e-3)
    profiles[1] *= 2
    stored = data.counts.copy()
    stored.data = stored.data * (np.arange(len(stored.data)) % 3 > 0).astype(np.int32)
    removed = stored.copy()
    removed.eliminate_zeros()
    assert removed.nnz < stored.nnz
    found = [naive_bayes.log_likelihood(counts, data.totals, profiles) for counts in (stored, removed)]
    np.testing.assert_array_equal(*found)
    shares = [naive_bayes.shares_where_detected(counts, data.totals) for counts in (stored, removed)]
    np.testing.assert_array_equal(*shares)


def test_profiles_by_label_and_by_share_are_those_of_sparse_products(data):
    rng = np.random.default_rng(1)
    n_cells, n_genes = data.counts.shape
    label, prior = rng.integers(-1, 4, n_cells), rng.random((4, n_genes)) * 1e-3
    found = naive_bayes.learn_profiles(data.counts, data.totals, label, prior)
    np.testing.assert_allclose(found, plain_profiles(data.counts, data.totals, label, prior), rtol=1e-12)
    first = rng.random(n_cells)
    shares = np.column_stack([first, 1 - first])
    found = naive_bayes.learn_profiles(data.counts, data.totals, shares, prior[0])
    np.testing.assert_allclose(found, plain_profiles(data.counts, data.totals, shares, prior[0]), rtol=1e-12)


def test_shares_are_those_of_sparse_sums(data):
    summed = np.asarray(data.counts.sum(axis=0), dtype=np.float64).ravel()
    background = naive_bayes.background_shares(data.counts, data.totals)
    np.testing.assert_allclose(background, summed / data.totals.sum())
    depth = (data.counts > 0).astype(np.float64).T @ data.totals
    found = naive_bayes.shares_where_detected(data.counts, data.totals)
    np.testing.assert_allclose(found, summed / np.maximum(depth, 1))
    assert found[3] == 0


def test_all_cells_are_annotated_as_by_the_plain_formulas(data, monkeypatch):
    clusters = [str(place % 5) for place in range(len(data.totals))]
    found = annotate_cells(data, MARKERS, clusters)
    pd.testing.assert_frame_equal(annotate_cells(data, MARKERS, clusters, n_threads=2), found)
    for module in (classify, t_cells):
        monkeypatch.setattr(module, "log_likelihood", plain_log_likelihood)
        monkeypatch.setattr(module, "learn_profiles", plain_profiles)
    expected = annotate_cells(data, MARKERS, clusters)
    assert expected["cell_type"].nunique() > 10
    columns = ["lineage", "cell_type", "runner_up", "evidence"]
    pd.testing.assert_frame_equal(found[columns], expected[columns])
    np.testing.assert_allclose(found["cell_type_confidence"], expected["cell_type_confidence"], atol=1e-9)


def test_pieces_of_cells_change_no_result(data, monkeypatch):
    clusters = [str(place % 5) for place in range(len(data.totals))]
    whole = annotate_cells(data, MARKERS, clusters)
    monkeypatch.setattr(classify, "_CELLS_AT_ONCE", 97)
    cut = annotate_cells(data, MARKERS, clusters)
    columns = ["lineage", "cell_type", "runner_up", "evidence"]
    pd.testing.assert_frame_equal(cut[columns], whole[columns])
    np.testing.assert_allclose(cut["cell_type_confidence"], whole["cell_type_confidence"], atol=1e-12)


def test_evidence_is_the_five_most_abundant_genes_of_the_lineage_ties_in_their_order(data):
    found = annotate_cells(data, MARKERS)
    supports = supporting_genes(MARKERS, list(data.genes))
    counts, symbols = data.counts.toarray(), data.genes.to_numpy(dtype=object)
    n_tied = 0
    for cell, (lineage, evidence) in enumerate(zip(found["lineage"], found["evidence"], strict=True)):
        if lineage == "unknown":
            assert evidence == ""
            continue
        own = np.where(supports[LINEAGES.index(lineage)], counts[cell], 0)
        order = [gene for gene in np.argsort(-own, kind="stable")[:5] if own[gene] > 0]
        n_tied += len(set(own[order])) < len(order)
        assert evidence == ",".join(symbols[order])
    assert n_tied > 100
