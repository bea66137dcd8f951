"""Random effects against metafor and statsmodels, and what must hold by definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime.cohort.meta_analysis.random_effects import combine, sampling_variances

REFERENCE = Path(__file__).parents[2] / "references" / "metafor"


@pytest.fixture(scope="module")
def reference():
    cases = pd.read_csv(REFERENCE / "cases.tsv", sep="\t")
    expected = pd.read_csv(REFERENCE / "expected.tsv", sep="\t").set_index("case")
    return cases, expected


def test_every_number_equals_metafor(reference):
    cases, expected = reference
    y = cases.pivot_table(index="cohort", columns="case", values="yi")
    v = cases.pivot_table(index="cohort", columns="case", values="vi")
    found = combine(y.to_numpy(), v.to_numpy())
    expected = expected.loc[y.columns]
    np.testing.assert_array_equal(found.n_cohorts, expected["k"])
    assert len(expected.columns) == 20
    for column in expected.columns.drop("k"):
        np.testing.assert_allclose(
            getattr(found, column), expected[column], rtol=1e-9, atol=1e-9, err_msg=column
        )


def test_the_variance_between_cohorts_equals_statsmodels(reference):
    meta = pytest.importorskip("statsmodels.stats.meta_analysis")
    for name, case in reference[0].groupby("case"):
        # at a tighter tolerance than its default, rounding makes its iteration give up with 0
        with np.errstate(divide="ignore"):
            theirs = meta.combine_effects(case["yi"].to_numpy(), case["vi"].to_numpy(), method_re="iterated")
        ours = combine(case[["yi"]].to_numpy(), case[["vi"]].to_numpy())
        assert ours.tau2[0] == pytest.approx(theirs.tau2, rel=1e-4, abs=1e-4), name
        frame = theirs.summary_frame()
        assert ours.estimate[0] == pytest.approx(frame.loc["random effect", "eff"], rel=1e-4)
        assert ours.common_estimate[0] == pytest.approx(frame.loc["fixed effect", "eff"], rel=1e-9)
        assert ours.common_se[0] == pytest.approx(frame.loc["fixed effect", "sd_eff"], rel=1e-9)


def test_the_interval_is_never_narrower_than_that_of_a_common_effect():
    rng = np.random.default_rng(1)
    for k in (2, 3, 7):
        variances = rng.gamma(1, 1, (k, 2000)) + 1e-3
        found = combine(rng.normal(0, rng.gamma(1, 1, 2000), (k, 2000)), variances)
        assert (found.se_normal >= found.common_se * (1 - 1e-12)).all()
        assert ((found.p <= 0.05) == (np.sign(found.ci_low) == np.sign(found.ci_high))).all()
        assert (found.ci_high - found.ci_low >= 2 * 1.959 * found.common_se).all()
        if k > 2:
            assert (found.prediction_high >= found.ci_high - 1e-9).all()


def test_equal_estimates_fall_back_on_the_normal_interval():
    for effect, p in ((0.5, 2 * stats.norm.sf(0.5 / np.sqrt(0.05))), (0.0, 1.0)):
        found = combine(np.full((2, 1), effect), np.full((2, 1), 0.1))
        assert found.se[0] == 0
        assert found.p[0] == pytest.approx(p)
        assert found.ci_high[0] == pytest.approx(effect + 1.959964 * np.sqrt(0.05))


def test_cohorts_without_an_estimate_are_as_if_they_were_not_there():
    y = np.array([[0.5, 0.5, 0.5], [np.nan, 1.0, 1.0], [0.1, 0.1, np.nan], [np.nan, np.nan, np.nan]])
    v = np.array([[0.1, 0.1, 0.1], [0.2, 0.2, np.nan], [0.3, 0.3, 0.3], [0.1, 0.1, 0.1]])
    found = combine(y, v)
    two = combine(y[[0, 2]][:, :1], v[[0, 2]][:, :1])
    three = combine(y[:3, 1:2], v[:3, 1:2])
    np.testing.assert_array_equal(found.n_cohorts, [2, 3, 1])
    for name in ("estimate", "se", "p", "tau2", "i2_high", "common_p"):
        values = getattr(found, name)
        assert values[0] == pytest.approx(getattr(two, name)[0])
        assert values[1] == pytest.approx(getattr(three, name)[0])
        assert np.isnan(values[2])  # one cohort is no meta-analysis
    np.testing.assert_allclose(np.nansum(found.weights, axis=0), [1, 1, 0])
    assert np.isnan(found.weights[1, 0])
    assert np.isnan(found.prediction_low[0])
    assert np.isfinite(found.prediction_low[1])


def test_nothing_to_combine_gives_nothing():
    found = combine(np.empty((2, 0)), np.empty((2, 0)))
    assert found.estimate.shape == (0,)


def test_the_widened_variance_has_the_interval_of_the_cohort():
    se, df = np.array([0.3, 0.5, 0.2]), np.array([2.0, 7.3, np.inf])
    v = sampling_variances(se, df)
    z = stats.norm.ppf(0.975)
    np.testing.assert_allclose(z * np.sqrt(v[:2]), stats.t.ppf(0.975, df[:2]) * se[:2])
    assert v[2] == pytest.approx(0.04, rel=1e-6)
