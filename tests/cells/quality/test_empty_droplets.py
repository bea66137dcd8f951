"""Cells and empty droplets of an unfiltered matrix: planted droplets, and another way to the p values."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from scipy.special import gammaln

from stietime.cells.quality import empty_droplets as module
from stietime.cells.quality.empty_droplets import call_cells, good_turing, knee_point, looks_unfiltered

N_GENES = 300
OPTIONS = {"max_counts_empty_droplet": 100, "fdr": 0.01, "seed": 1}


@pytest.fixture(scope="module")
def droplets():
    """Ambient droplets, deep cells, shallow cells and deep ambient droplets, with what each is."""
    rng = np.random.default_rng(3)
    deep, shallow = rng.dirichlet(np.full(N_GENES, 0.1), 2)
    ambient = 0.7 * deep + 0.2 * shallow + 0.1 / N_GENES
    depth = np.concatenate(
        [rng.poisson(30, 4000), rng.poisson(200, 300), rng.poisson(1500, 300), rng.poisson(220, 100)]
    )
    kind = np.repeat(["empty", "big droplet", "cell", "neutrophil"], [4000, 300, 300, 100])
    shares = {"empty": ambient, "big droplet": ambient, "cell": deep, "neutrophil": shallow}
    counts = np.array([rng.multinomial(n, shares[k]) for n, k in zip(depth, kind, strict=True)])
    return sparse.csr_matrix(counts), kind


def test_planted_cells_are_called_and_ambient_droplets_are_not(droplets):
    counts, kind = droplets
    assert looks_unfiltered(counts, max_counts_empty_droplet=100)
    is_cell, empty, note = call_cells(counts, **OPTIONS)
    assert is_cell[kind == "cell"].all()
    assert is_cell[kind == "neutrophil"].mean() >= 0.99
    assert is_cell[kind == "big droplet"].mean() <= 0.02
    assert not is_cell[kind == "empty"].any()
    depth = np.asarray(counts.sum(axis=1)).ravel()
    expected = counts.toarray()[(depth > 0) & (depth <= 100)].sum(axis=0)
    assert empty.dtype == np.int64
    np.testing.assert_array_equal(empty, expected)
    assert "unfiltered matrix: 4,000 droplets of 1 to 100 counts are empty, " in note


def test_the_call_does_not_depend_on_the_order_or_the_run(droplets):
    counts, _ = droplets
    is_cell, empty, note = call_cells(counts, **OPTIONS)
    order = np.random.default_rng(1).permutation(counts.shape[0])
    again = call_cells(counts[order], **OPTIONS)
    np.testing.assert_array_equal(again[0], is_cell[order])
    np.testing.assert_array_equal(again[1], empty)
    assert again[2] == note


def test_p_values_are_those_of_a_plain_simulation(monkeypatch):
    """With droplets drawn whole by the multinomial instead of count by count."""
    rng = np.random.default_rng(5)
    profile = rng.dirichlet(np.ones(20))
    x = np.array(
        [rng.multinomial(n, 0.9 * profile + 0.1 * rng.dirichlet(np.ones(20))) for n in (30, 30, 60, 60, 90)]
    )
    monkeypatch.setattr(module, "N_DRAWS", 4000)
    found = module._p_values(sparse.csr_matrix(x), x.sum(axis=1), profile, 1)

    def likelihood(counts):
        return counts @ np.log(profile) - gammaln(counts + 1).sum(axis=-1)

    expected = [(likelihood(rng.multinomial(c.sum(), profile, 40_000)) <= likelihood(c)).mean() for c in x]
    np.testing.assert_allclose(found, expected, atol=0.035)
    assert max(expected) > 0.05  # not all of them extreme


def test_p_values_of_ambient_droplets_are_uniform():
    rng = np.random.default_rng(6)
    profile = rng.dirichlet(np.full(100, 0.5))
    x = np.array([rng.multinomial(n, profile) for n in rng.integers(101, 200, 600)])
    p = module._p_values(sparse.csr_matrix(x), x.sum(axis=1), profile, 1)
    for level in (0.05, 0.25, 0.5, 0.75):
        assert (p <= level).mean() == pytest.approx(level, abs=0.06)


@pytest.mark.parametrize(("mean", "n"), [(60, 6000), (90, 3000), (400, 3000)])
def test_a_filtered_matrix_of_shallow_cells_is_never_unfiltered(mean, n):
    rng = np.random.default_rng(1)
    depth = np.maximum(rng.poisson(mean, n), 40)
    counts = sparse.csr_matrix(np.array([rng.multinomial(k, np.ones(50) / 50) for k in depth]))
    assert not looks_unfiltered(counts, max_counts_empty_droplet=100)


def test_a_small_matrix_is_never_unfiltered():
    counts = sparse.csr_matrix(np.ones((1_999, 10), dtype=int))
    assert not looks_unfiltered(counts, max_counts_empty_droplet=100)
    assert looks_unfiltered(sparse.vstack([counts, counts[:1]]).tocsr(), max_counts_empty_droplet=100)


def test_without_empty_droplets_every_deeper_droplet_is_a_cell():
    counts = sparse.csr_matrix(np.vstack([np.full((5, 4), 50), np.zeros((2, 4), dtype=int)]))
    is_cell, empty, _ = call_cells(counts, **OPTIONS)
    assert is_cell.tolist() == [True] * 5 + [False] * 2
    assert not empty.any()


def test_the_knee_lies_at_the_end_of_the_plateau():
    depth = np.concatenate([np.linspace(4000, 3000, 1000), np.linspace(2900, 101, 40)]).astype(int)
    assert 2500 <= knee_point(depth) <= 3300
    assert knee_point(np.array([7, 7])) == 7
    assert knee_point(np.array([], dtype=int)) == 0


def test_good_turing_gives_unseen_genes_the_share_of_those_seen_once():
    share = good_turing(np.array([7, 1, 1, 1, 0, 0, 0]), np.array([True] * 6 + [False]))
    np.testing.assert_allclose(share, [0.49, 0.07, 0.07, 0.07, 0.15, 0.15, 0.0])


@pytest.mark.data
def test_cells_of_a_real_unfiltered_matrix(data_dir):
    """SoupX's excerpt of an unfiltered 10x matrix: 226 genes, the filtered matrix says which are cells."""
    cells = ad.read_h5ad(data_dir / "soupx_pbmc4k_ambient" / "soupx_toy_raw.h5ad")
    counts = sparse.csr_matrix(cells.X).astype(int)
    truth = cells.obs["is_cell"].to_numpy(dtype=bool)
    depth = np.asarray(counts.sum(axis=1)).ravel()
    most = int(np.quantile(depth[~truth], 0.99))
    is_cell, empty, _ = call_cells(counts, max_counts_empty_droplet=most, fdr=0.01, seed=1)
    assert empty.sum() == depth[depth <= most].sum()
    assert is_cell[truth].mean() >= 0.9
    assert is_cell[~truth].mean() <= 0.02
