"""Squeezed variances, against limma and against what was planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from stietime.cohort.testing.moderated import (
    fit_prior,
    inverse_trigamma,
    moderate,
    squeeze,
    t_quantile,
    two_sided_p,
)

# printed by limma 3.x in its own regression test (tests/limma-Tests.Rout.save, "Similar to Mette Langaas"):
# five genes, residual df 6 but for the last
LIMMA_SIGMA = np.array([1.3425032, 0.4647155, 1.1993444, 0.9428569, 0.9421509])
LIMMA_DF = np.array([6.0, 6.0, 6.0, 6.0, 4.0])
LIMMA_DF_PRIOR, LIMMA_S2_PRIOR = 9.306153, 0.923179
LIMMA_S2_POST = np.array([1.2677996, 0.6459499, 1.1251558, 0.9097727, 0.9124980])
LIMMA_COEFFICIENTS = np.array([3.537333, 4.355578, 3.197645, 2.697734, 3.502304])
LIMMA_UNSCALED = np.array([0.8164966, 0.8164966, 0.8164966, 0.8164966, 1.1547005])
LIMMA_T = np.array([3.847656, 6.637308, 3.692066, 3.464003, 3.175181])
LIMMA_P = np.array([1.529450e-03, 7.144893e-06, 2.109270e-03, 3.381970e-03, 7.124839e-03])


def test_equals_limma():
    prior = fit_prior(LIMMA_SIGMA**2, LIMMA_DF)
    assert prior.df == pytest.approx(LIMMA_DF_PRIOR, rel=1e-5)
    np.testing.assert_allclose(prior.variance, LIMMA_S2_PRIOR, rtol=1e-6)
    posterior, df = squeeze(LIMMA_SIGMA**2, LIMMA_DF, prior)
    np.testing.assert_allclose(posterior, LIMMA_S2_POST, rtol=1e-6)
    t = LIMMA_COEFFICIENTS / (LIMMA_UNSCALED * np.sqrt(posterior))
    np.testing.assert_allclose(t, LIMMA_T, rtol=1e-6)
    np.testing.assert_allclose(two_sided_p(t, df), LIMMA_P, rtol=1e-5)


def test_prior_solves_the_moment_equations():
    rng = np.random.default_rng(2)
    df = rng.integers(3, 9, 40).astype(float)
    variances = 0.7 * rng.chisquare(df) / df * 5 / rng.chisquare(5, 40)
    logs = np.log(variances) - special.digamma(df / 2) + np.log(df / 2)
    spread = np.var(logs, ddof=1) - special.polygamma(1, df / 2).mean()
    half = optimize.brentq(lambda y: special.polygamma(1, y) - spread, 1e-3, 1e6, xtol=1e-12)
    prior = fit_prior(variances, df)
    assert prior.df == pytest.approx(2 * half, rel=1e-8)
    expected = logs.mean() + special.digamma(half) - np.log(half)
    np.testing.assert_allclose(np.log(prior.variance), expected, rtol=1e-8)


def test_planted_prior_is_recovered():
    rng = np.random.default_rng(3)
    df = np.full(20_000, 5.0)
    true = 2.0 * 8 / rng.chisquare(8, len(df))
    prior = fit_prior(true * rng.chisquare(df) / df, df)
    assert prior.df == pytest.approx(8, rel=0.1)
    np.testing.assert_allclose(prior.variance, 2.0, rtol=0.05)


def test_equal_true_variances_are_pooled():
    rng = np.random.default_rng(4)
    df = np.full(6, 30.0)
    # drawn closer together than chance would have them
    variances = 1.5 + 0.01 * rng.standard_normal(6)
    prior = fit_prior(variances, df)
    assert np.isinf(prior.df)
    posterior, total = squeeze(variances, df, prior)
    np.testing.assert_allclose(posterior, variances.mean())
    np.testing.assert_array_equal(total, 180.0)  # never more than all the data have


def test_too_few_entities_are_not_squeezed():
    variances, df = np.array([0.5, 3.0]), np.array([4.0, 4.0])
    posterior, total = squeeze(variances, df, fit_prior(variances, df))
    np.testing.assert_array_equal(posterior, variances)
    np.testing.assert_array_equal(total, df)
    nothing = np.array([])
    posterior, _ = squeeze(nothing, nothing, fit_prior(nothing, nothing))
    assert posterior.size == 0


def test_a_planted_trend_of_the_variance_is_followed():
    rng = np.random.default_rng(5)
    df, covariate = np.full(20_000, 5.0), rng.uniform(-2, 3, 20_000)
    true = np.exp(0.5 + 0.8 * covariate) * 8 / rng.chisquare(8, len(df))
    prior = fit_prior(true * rng.chisquare(df) / df, df, covariate)
    assert prior.df == pytest.approx(8, rel=0.1)
    np.testing.assert_allclose(prior.variance, np.exp(0.5 + 0.8 * covariate), rtol=0.06)


def test_a_trend_equals_least_squares_and_needs_eight_entities():
    rng = np.random.default_rng(6)
    df, covariate = np.full(12, 3.0), rng.normal(size=12)
    variances = np.exp(covariate + rng.normal(size=12)) * rng.chisquare(df) / df
    logs = np.log(variances) - special.digamma(1.5) + np.log(1.5)
    line = stats.linregress(covariate, logs)
    residuals = logs - line.intercept - line.slope * covariate
    spread = (residuals**2).sum() / 10 - special.polygamma(1, 1.5)
    half = optimize.brentq(lambda y: special.polygamma(1, y) - spread, 1e-3, 1e6, xtol=1e-12)
    prior = fit_prior(variances, df, covariate)
    assert prior.df == pytest.approx(2 * half, rel=1e-8)
    expected = np.exp(logs - residuals + special.digamma(half) - np.log(half))
    np.testing.assert_allclose(prior.variance, expected, rtol=1e-8)
    few = fit_prior(variances[:7], df[:7], covariate[:7])
    np.testing.assert_array_equal(few.variance, fit_prior(variances[:7], df[:7]).variance)


# the first and last are printed by limma's trigammaInverse(c(1e-6, NA, 5, 1e6))
@pytest.mark.parametrize(("value", "expected"), [(1e-6, 1e6), (5, 4.961687e-01), (1e6, 1.000001e-03)])
def test_inverse_trigamma_equals_limma(value, expected):
    assert inverse_trigamma(value) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [1e-8, 1e-3, 0.4, 3.0, 1e8])
def test_inverse_trigamma_inverts(value):
    assert special.polygamma(1, inverse_trigamma(value)) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("df", [1.0, 3.5, 40.0, np.inf])
def test_t_distribution(df):
    t = np.array([-3.0, 0.0, 0.5, 6.0])
    law = stats.norm if np.isinf(df) else stats.t(df)
    np.testing.assert_allclose(two_sided_p(t, np.full(4, df)), 2 * law.sf(np.abs(t)), rtol=1e-6)
    assert t_quantile(0.975, np.array([df]))[0] == pytest.approx(law.ppf(0.975), rel=1e-6)


def test_moderating_never_lowers_a_variance_and_trusts_the_prior_less_than_limma():
    rng = np.random.default_rng(13)
    df = np.full(30, 3.0)
    variances = rng.chisquare(df) / df * rng.uniform(0.5, 2, 30)
    posterior, posterior_df = moderate(variances, df)
    prior = fit_prior(variances, df)
    _, plain_df = squeeze(variances, df, prior)
    assert (posterior >= variances).all()
    assert (posterior > variances).sum() > 5
    assert (posterior_df > df).all()
    assert (posterior_df < plain_df).all()


def test_the_bound_of_the_spread_solves_its_moment_equation():
    rng = np.random.default_rng(14)
    df, errors = np.full(20, 5.0), 2.0
    variances = rng.chisquare(df) / df
    logs = np.log(variances) - special.digamma(df / 2) + np.log(df / 2)
    spread = np.var(logs, ddof=1) * (1 + errors * np.sqrt(2 / 19)) - special.polygamma(1, df / 2).mean()
    prior = fit_prior(variances, df, errors=errors)
    assert special.polygamma(1, prior.df / 2) == pytest.approx(spread, rel=1e-8)


def test_a_type_of_large_variance_keeps_its_level():
    rng = np.random.default_rng(15)
    n, true = 4, np.ones(20)
    true[0] = 6.0
    found = {"squeezed": 0, "moderated": 0}
    for _ in range(2000):
        differences = rng.normal(0, np.sqrt(true), (n, 20))
        variances, df = differences.var(axis=0, ddof=1), np.full(20, n - 1.0)
        for name in found:
            squeezed = squeeze(variances, df, fit_prior(variances, df))
            posterior, t_df = squeezed if name == "squeezed" else moderate(variances, df)
            t = differences.mean(axis=0) / np.sqrt(posterior / n)
            found[name] += two_sided_p(t, t_df)[0] <= 0.05
    assert found["squeezed"] / 2000 > 0.2
    assert found["moderated"] / 2000 < 0.15
