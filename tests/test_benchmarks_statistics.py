"""The benchmark of tests between patients: its draws, its peers, and what it calls ours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from benchmarks.statistics_claims import counts_as_testable
from benchmarks.statistics_cohorts import Model, draw_cohort, true_log_odds
from benchmarks.statistics_demo import planted
from benchmarks.statistics_null import Found, default_test
from benchmarks.statistics_peers import PEERS, quasi_binomial, wilcoxon
from scipy import stats

from stietime.resources import read_claims

SHARE = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
NORMAL = Model("normal", SHARE, np.full(5, 0.5))
DIRICHLET = Model("dirichlet", SHARE, None)


def cohort(model, *, paired=True, shift=0.0, sizes=(8, 8), seed=1):
    return draw_cohort(np.random.default_rng(seed), model, sizes, (1500, 300), paired=paired, shift=shift)


@pytest.mark.parametrize("model", [NORMAL, DIRICHLET])
def test_draws_have_the_shares_and_depths_of_the_model(model):
    drawn = cohort(model, sizes=(400, 400))
    first, second = drawn.fractions
    np.testing.assert_allclose(first.mean(axis=0), SHARE, atol=0.03)
    np.testing.assert_allclose(second.mean(axis=0), SHARE, atol=0.03)
    assert np.median(drawn.first.sum(axis=1)) == pytest.approx(1500, rel=0.1)
    if model is NORMAL:
        paired = np.corrcoef(np.log(first[:, 0]), np.log(second[:, 0]))[0, 1]
        assert paired > 0.3


def test_signed_ranks_equal_scipy():
    drawn = cohort(NORMAL)
    first, second = drawn.fractions
    np.testing.assert_allclose(wilcoxon(drawn, paired=True), stats.wilcoxon(first, second, axis=0).pvalue)


def test_every_method_finds_a_large_shift_and_not_the_absence_of_one():
    shift = np.array([0, 0, 0, 2.5, 0])
    for paired in (True, False):
        moved = cohort(NORMAL, paired=paired, shift=shift, sizes=(12, 12))
        for test in PEERS.values():
            p = test(moved, paired=paired)
            assert p.shape == (5,)
            assert p[3] < 0.001
        assert default_test(moved, paired=paired).p[3] < 0.001


def test_the_regression_without_overdispersion_is_that_of_the_pooled_odds():
    drawn = cohort(NORMAL, paired=False)
    p = quasi_binomial(drawn, paired=False)
    n, total = drawn.first[:, 0].sum(), drawn.first.sum()
    m, rest = drawn.second[:, 0].sum(), drawn.second.sum()
    effect = np.log(n / (total - n)) - np.log(m / (rest - m))
    counts = np.concatenate([drawn.first[:, 0], drawn.second[:, 0]])
    totals = np.concatenate([drawn.first.sum(axis=1), drawn.second.sum(axis=1)])
    chance = np.repeat([n / total, m / rest], 8)
    weight = totals * chance * (1 - chance)
    dispersion = ((counts - totals * chance) ** 2 / weight).sum() / 14
    error = np.sqrt(dispersion * (1 / weight[:8].sum() + 1 / weight[8:].sum()))
    assert p[0] == pytest.approx(2 * stats.t.sf(abs(effect / error), 14), rel=1e-6)


def test_the_truth_is_that_of_the_shift():
    truth = true_log_odds(NORMAL, np.array([0, 0, 0, 0, 1.0]))
    assert truth[4] == pytest.approx(1.0, abs=0.02)
    assert (truth[:4] < 0).all()
    np.testing.assert_allclose(true_log_odds(DIRICHLET, 0.0), 0, atol=0.05)


def test_planted_contrasts_of_the_demo_have_the_signs_of_its_design():
    truth = planted()
    assert len(truth) == 15
    assert truth["stie_vs_time", "texp"] == pytest.approx(np.log(0.05 / 0.95) - np.log(0.24 / 0.76))
    assert truth["after_vs_before:TIME", "treg"] < 0


def test_power_at_equal_size_uses_the_largest_p_that_keeps_the_size():
    rng = np.random.default_rng(3)
    uniform, halves = rng.random((1000, 1)), rng.integers(1, 21, (1000, 1)) / 20
    null = Found({"smooth": uniform, "steps": halves, "never": np.full((1000, 1), np.nan)}, uniform, uniform)
    assert null.cuts("smooth")[0] == pytest.approx(0.05, abs=0.015)
    for method in null.p:
        assert np.mean(null.p[method] <= null.cuts(method)) <= 0.05
    # one p more would be too many
    cut = null.cuts("steps")[0]
    assert np.mean(halves <= cut + 0.05) > 0.05


def test_testable_claims_of_lung_cancer_were_fixed_beforehand():
    claims = read_claims()
    chosen = claims[counts_as_testable(claims, pd.DataFrame({"design": ["stie_vs_time"]}))]
    assert len(chosen) == 16
    assert set(chosen["cancer"]) == {"NSCLC"}
    assert set(chosen["design"]) == {"stie_vs_time"}
    assert not counts_as_testable(claims, pd.DataFrame({"design": ["after_vs_before"]})).any()
