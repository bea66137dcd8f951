"""The smallest effect a test would have found, against draws and a plain formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stietime.cohort.testing.power import detectable_effect


@pytest.mark.parametrize("n", [3, 4, 6, 30])
def test_the_effect_is_found_in_four_of_five_cohorts(n):
    se = 0.7 / np.sqrt(n)
    effect = detectable_effect(np.array([se]), np.array([n - 1.0]))[0]
    rng = np.random.default_rng(n)
    drawn = rng.normal(effect, 0.7, (40_000, n))
    found = stats.ttest_1samp(drawn, 0, axis=1).pvalue <= 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.01)


def test_many_degrees_of_freedom_give_the_normal_formula():
    found = detectable_effect(np.array([2.0, 2.0]), np.array([np.inf, 1e6]))
    np.testing.assert_allclose(found, 2 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)), rtol=1e-4)


def test_what_is_not_tested_has_none():
    found = detectable_effect(np.array([np.nan, 1.0]), np.array([3.0, np.nan]))
    assert np.isnan(found).all()


def test_more_power_needs_a_larger_effect():
    one, df = np.ones(1), np.full(1, 5.0)
    effects = [detectable_effect(one, df, power=power)[0] for power in (0.5, 0.8, 0.95)]
    assert effects == sorted(effects)
