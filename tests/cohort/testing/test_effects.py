"""Tests between patients, against scipy and against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from stietime.cohort.testing.effects import (
    false_discovery_rates,
    group_effects,
    paired_effects,
    sign_flip_p,
    smallest_exact_p,
)


def brute_force(differences):
    flips = np.array(list(product([1, -1], repeat=len(differences))))
    return np.mean(np.abs(flips @ differences) >= abs(differences.sum()) - 1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 11])
def test_sign_flips_equal_enumeration(n):
    rng = np.random.default_rng(n)
    for shift in (0, 0.5, 3):
        differences = rng.normal(shift, 1, n)
        assert sign_flip_p(differences) == pytest.approx(brute_force(differences), abs=1e-15)


@pytest.mark.parametrize("differences", [[1, 1, 1, 1], [1, -1, 2, 2], [0, 0, 3, 1], [0, 0, 0], [1, -1]])
def test_sign_flips_with_ties_equal_enumeration(differences):
    values = np.array(differences, dtype=float)
    assert sign_flip_p(values) == brute_force(values)


def test_sign_flips_of_many_pairs_are_exact_and_agree_with_t():
    differences = np.random.default_rng(5).normal(0.4, 1, 30)
    assert sign_flip_p(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=0.15)
    assert sign_flip_p(np.ones(30)) == smallest_exact_p(30) == 2.0**-29
    assert np.isnan(sign_flip_p(np.ones(31)))


def test_two_entities_give_the_plain_paired_t():
    rng = np.random.default_rng(6)
    first, second = rng.normal(0.5, 1, (5, 2)), rng.normal(0, 1, (5, 2))
    effects = paired_effects(first, second, testable=np.ones(2, bool), min_pairs=3)
    reference = stats.ttest_rel(first, second)
    np.testing.assert_allclose(effects.p, reference.pvalue, rtol=1e-10)
    low, high = effects.interval()
    interval = reference.confidence_interval(0.95)
    np.testing.assert_allclose([low, high], [interval.low, interval.high], rtol=1e-10)
    np.testing.assert_allclose(effects.estimate, (first - second).mean(axis=0))
    np.testing.assert_allclose(effects.p_exact, [brute_force(d) for d in (first - second).T])


def test_missing_values_drop_the_pair_and_only_there():
    rng = np.random.default_rng(7)
    first, second = rng.normal(1, 1, (6, 2)), rng.normal(0, 1, (6, 2))
    first[0, 0] = second[3, 0] = np.nan
    effects = paired_effects(first, second, testable=np.ones(2, bool), min_pairs=3)
    np.testing.assert_array_equal(effects.n_first, [4, 6])
    reference = stats.ttest_rel(first[[1, 2, 4, 5], 0], second[[1, 2, 4, 5], 0])
    assert effects.p[0] == pytest.approx(reference.pvalue, rel=1e-10)


def test_few_pairs_have_an_estimate_and_no_test():
    first = np.array([[1.0, 1.0], [2.0, 3.0], [np.nan, 4.0]])
    effects = paired_effects(first, np.zeros((3, 2)), testable=np.ones(2, bool), min_pairs=3)
    assert effects.estimate[0] == 1.5
    assert np.isnan([effects.p[0], effects.p_exact[0], effects.se[0]]).all()
    assert effects.p[1] < 0.1


def test_equal_differences_have_no_test_and_do_not_shape_the_prior():
    rng = np.random.default_rng(8)
    noisy = rng.normal(0, 1, (5, 4))
    alone = paired_effects(noisy, np.zeros_like(noisy), testable=np.ones(4, bool), min_pairs=3)
    first = np.column_stack([noisy, np.zeros(5), np.full(5, 0.1) + 0.2])
    effects = paired_effects(first, np.zeros_like(first), testable=np.ones(6, bool), min_pairs=3)
    assert np.isnan(effects.p[4:]).all()
    np.testing.assert_allclose(effects.estimate[4:], [0, 0.3])
    np.testing.assert_array_equal(effects.p[:4], alone.p)


def test_two_entities_of_groups_give_welchs_t():
    rng = np.random.default_rng(9)
    first, second = rng.normal(1, 2, (5, 2)), rng.normal(0, 1, (8, 2))
    second[:3, 1] = np.nan
    effects = group_effects(first, second, testable=np.ones(2, bool), min_group=3)
    reference = stats.ttest_ind(first, second, equal_var=False, nan_policy="omit")
    np.testing.assert_allclose(effects.p, reference.pvalue, rtol=1e-10)
    np.testing.assert_allclose(effects.df, reference.df, rtol=1e-10)
    np.testing.assert_array_equal(effects.n_second, [8, 5])
    assert np.isnan(effects.p_exact).all()


def test_groups_borrow_degrees_of_freedom_and_never_a_smaller_variance():
    rng = np.random.default_rng(11)
    first, second = rng.normal(0, 1, (4, 30)), rng.normal(0, 2, (7, 30))
    effects = group_effects(first, second, testable=np.ones(30, bool), min_group=3)
    plain = stats.ttest_ind(first, second, equal_var=False)
    assert (effects.df > plain.df).all()
    own = effects.estimate / plain.statistic
    assert (effects.se >= own * (1 - 1e-12)).all()
    assert (effects.se > own * 1.01).any()


def test_the_trend_in_groups_weighs_both_by_their_patients():
    rng = np.random.default_rng(12)
    counting = (rng.uniform(0.1, 3, 40), rng.uniform(0.1, 3, 40))
    spread = [np.sqrt(part + 0.01) for part in counting]
    first, second = rng.normal(0, spread[0], (4, 40)), rng.normal(0, spread[1], (9, 40))
    tests = {"testable": np.ones(40, bool), "min_group": 3}
    trended = group_effects(first, second, sampling_variances=counting, **tests)
    truth = np.sqrt(spread[0] ** 2 / 4 + spread[1] ** 2 / 9)
    flat = group_effects(first, second, **tests)
    errors = [np.std(np.log(effects.se / truth)) for effects in (trended, flat)]
    assert errors[0] < 0.8 * errors[1]


def test_welch_of_a_small_or_constant_group():
    first, second = np.array([[1.0], [2.0]]), np.array([[0.0], [0.5], [1.0]])
    effects = group_effects(first, second, testable=np.ones(1, bool), min_group=3)
    assert effects.estimate[0] == 1.0
    assert np.isnan(effects.p[0])
    constant = group_effects(np.ones((3, 1)), np.ones((3, 1)), testable=np.ones(1, bool), min_group=3)
    assert np.isnan(constant.p[0])


def test_false_discovery_rates_equal_scipy():
    p = np.random.default_rng(10).random(50) ** 3
    np.testing.assert_allclose(false_discovery_rates(p), stats.false_discovery_control(p))
    with_gaps = np.insert(p, [0, 20, 50], np.nan)
    q = false_discovery_rates(with_gaps)
    np.testing.assert_allclose(q[~np.isnan(with_gaps)], stats.false_discovery_control(p))
    assert np.isnan(q[np.isnan(with_gaps)]).all()
    assert np.isnan(false_discovery_rates(np.array([np.nan]))).all()
