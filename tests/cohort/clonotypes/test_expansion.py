"""Expansion at matched depth: the exact expectation against draws and plain formulas."""

from __future__ import annotations

import numpy as np
import pytest

from stietime.cohort.clonotypes.expansion import pair_probability, rarefied, spectrum
from stietime.cohort.clonotypes.startrac import clonality

SIZES = np.array([30, 12, 9, 4, 4, 2, 2, *[1] * 40])


def test_gini_and_clonality_of_a_spectrum_equal_the_plain_formulas():
    whole = spectrum(SIZES)
    mean_difference = np.abs(SIZES[:, None] - SIZES[None, :]).mean()
    assert whole.gini() == pytest.approx(mean_difference / (2 * SIZES.mean()))
    assert whole.clonality() == pytest.approx(clonality(SIZES))
    assert spectrum(np.array([3, 3])).gini() == pytest.approx(0)
    assert np.isnan(spectrum(np.array([3])).clonality())


def test_rarefied_spectrum_is_the_mean_of_draws():
    rng = np.random.default_rng(1)
    expected = rarefied(spectrum(SIZES), 40)
    cells = np.repeat(np.arange(len(SIZES)), SIZES)
    total = np.zeros(len(expected.size) + 1)
    n_draws = 4000
    for _ in range(n_draws):
        sizes = np.bincount(rng.choice(cells, 40, replace=False))
        total += np.bincount(sizes[sizes > 0], minlength=len(total))[: len(total)]
    np.testing.assert_allclose(expected.n_clones, total[1:] / n_draws, atol=0.12)
    assert expected.n_cells == pytest.approx(40)


def test_a_draw_of_all_cells_changes_nothing():
    whole = spectrum(SIZES)
    assert rarefied(whole, int(SIZES.sum())) is whole


def test_matched_depth_removes_what_depth_alone_does():
    """A repertoire and a fifth of its cells: Gini differs, matched Gini and pairs of cells do not."""
    rng = np.random.default_rng(2)
    weights = 1 / np.arange(1, 2001)
    deep = rng.multinomial(5000, weights / weights.sum())
    cells = np.repeat(np.arange(len(deep)), deep)
    shallow = [np.bincount(rng.choice(cells, 1000, replace=False)) for _ in range(20)]
    ginis = [spectrum(sizes).gini() for sizes in shallow]
    assert abs(spectrum(deep).gini() - np.mean(ginis)) > 0.05
    assert rarefied(spectrum(deep), 1000).gini() == pytest.approx(np.mean(ginis), abs=0.01)
    assert np.mean([pair_probability(s) for s in shallow]) == pytest.approx(pair_probability(deep), rel=0.05)


def test_pair_probability_by_hand():
    assert pair_probability(np.array([2, 1])) == pytest.approx(1 / 3)
    assert pair_probability(np.array([1, 1, 1])) == 0
    assert np.isnan(pair_probability(np.array([1])))
