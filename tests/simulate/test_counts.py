import numpy as np
import pytest

from stietime.simulate import counts as droplets_module
from stietime.simulate.counts import add_doublets, add_dying, barcodes, draw_counts, single_cells
from stietime.simulate.reference import reference


def one_kind(name, n, rng, ambient=0.0):
    source = reference()
    at = np.full(n, source.populations.index.get_loc(name))
    return single_cells(rng, at, source.populations["median_umi"].to_numpy(), ambient)


def draw(rng, droplets, ambient_profile=None):
    source = reference()
    if ambient_profile is None:
        ambient_profile = source.profiles.mean(axis=0)
    return draw_counts(rng, droplets, source.profiles, ambient_profile, source)


def test_counts_have_the_mean_and_the_dispersion_that_were_asked_for():
    source, rng = reference(), np.random.default_rng(1)
    cells = one_kind("b_cell", 3000, rng)
    counts = draw(rng, cells).toarray()
    row = source.profiles[source.populations.index.get_loc("b_cell")]
    quiet = np.setdiff1d(np.arange(counts.shape[1]), [*source.mito, *source.ribo, *source.stress])
    high = quiet[row[quiet] * 2500 > 2]
    expected = cells.depth[:, None] * row[high]
    assert np.median(counts[:, high].mean(axis=0) / expected.mean(axis=0)) == pytest.approx(1, abs=0.02)
    # moments of the negative binomial: (x - m)^2 - x has the mean phi m^2
    phi = (((counts[:, high] - expected) ** 2 - counts[:, high]).sum(axis=0)) / (expected**2).sum(axis=0)
    assert np.median(phi / source.dispersion[high]) == pytest.approx(1, abs=0.1)
    assert np.corrcoef(np.log(phi), np.log(source.dispersion[high]))[0, 1] > 0.9


def test_ambient_rna_adds_its_own_profile():
    source, rng = reference(), np.random.default_rng(2)
    profile = np.zeros(len(source.genes))
    profile[source.positions(["HBB"])] = 1
    cells = one_kind("cd4_naive", 1000, rng, ambient=100)
    counts = draw(rng, cells, profile)
    hbb = counts[:, source.positions(["HBB"])[0]].toarray().ravel()
    assert hbb.mean() == pytest.approx(cells.ambient.mean(), rel=0.05)


def test_dying_cells_have_little_rna_and_much_of_it_mitochondrial():
    source, rng = reference(), np.random.default_rng(3)
    cells = one_kind("mono_classical", 400, rng)
    dying = add_dying(rng, cells, np.arange(200))
    counts = draw(rng, dying)
    total = np.asarray(counts.sum(axis=1)).ravel()
    share = np.asarray(counts[:, source.mito].sum(axis=1)).ravel() / total
    assert np.abs(share[:200] - dying.mito_share[:200]).mean() < 0.06
    assert share[:200].min() > np.median(share[200:])
    assert np.median(total[:200]) < 0.55 * np.median(total[200:])
    assert np.isnan(dying.mito_share[200:]).all()


def test_doublets_hold_both_cells():
    source, rng = reference(), np.random.default_rng(4)
    cells = one_kind("b_cell", 300, rng)
    partners = one_kind("mono_classical", 100, rng)
    counts = draw(rng, add_doublets(rng, cells, np.arange(100), partners))
    both = [np.asarray(counts[:, source.positions([gene])[0]].todense()).ravel() for gene in ("CD79A", "LYZ")]
    assert both[0][:100].mean() > 1
    assert both[1][:100].mean() > 10
    assert both[1][100:].mean() < 0.5


def test_blocks_change_nothing_but_memory(monkeypatch):
    cells = one_kind("b_cell", 250, np.random.default_rng(5), ambient=50)
    monkeypatch.setattr(droplets_module, "CELLS_PER_BLOCK", 100)
    counts = draw(np.random.default_rng(6), cells)
    assert counts.shape[0] == 250
    assert counts.dtype == np.int32
    total = np.asarray(counts.sum(axis=1)).ravel()
    assert np.corrcoef(total, cells.depth + cells.ambient)[0, 1] > 0.9


def test_barcodes_are_distinct_and_as_10x_writes_them():
    names = barcodes(np.random.default_rng(7), 50_000)
    assert names.is_unique
    assert names.str.fullmatch("[ACGT]{16}-1").all()
