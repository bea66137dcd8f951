"""Log-odds at a common depth, against sums over the distribution and against draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stietime.cohort.composition.log_odds import EXACT_BELOW, rarefied_log_odds


def by_scipy(n, total, depth):
    x = np.arange(depth + 1)
    chances = stats.hypergeom.pmf(x, total, n, depth)
    return float(chances @ np.log((x + 0.5) / (depth - x + 0.5)))


CASES = [
    *((0, 100, 30), (1, 100, 30), (3, 5000, 20), (99, 100, 30), (100, 100, 1), (50, 100, 99), (2, 4, 3)),
    *((30, 40, 25), (700, 20_000, 2_000), (1_990, 20_000, 500), (4_000, 9_000, 800), (8_999, 9_000, 700)),
]


@pytest.mark.parametrize("case", CASES)
def test_equals_the_sum_over_the_hypergeometric_distribution(case):
    found = rarefied_log_odds(*(np.array([float(number)]) for number in case))[0]
    assert found == pytest.approx(
        by_scipy(*case), abs=1e-5 if case[0] * case[2] / case[1] > EXACT_BELOW else 1e-9
    )


def test_many_entities_at_once_equal_each_alone():
    rng = np.random.default_rng(1)
    total = rng.integers(20, 30_000, 40_000)
    n = rng.binomial(total, rng.beta(0.3, 1, len(total)))
    depth = np.maximum(1, (total * rng.uniform(0.01, 1.2, len(total))).astype(int))
    every = rarefied_log_odds(n, total, depth)
    for place in rng.choice(len(total), 40):
        if depth[place] <= total[place]:
            assert every[place] == pytest.approx(by_scipy(n[place], total[place], depth[place]), abs=1e-5)
    matrix = rarefied_log_odds(n.reshape(200, 200), total.reshape(200, 200), depth.reshape(200, 200))
    np.testing.assert_array_equal(matrix.ravel(), every)


def test_unequal_depths_of_one_composition_agree_on_average():
    rng = np.random.default_rng(2)
    share, deep, shallow = 0.004, 4000, 250
    many, few = rng.binomial(deep, share, 100_000), rng.binomial(shallow, share, 100_000)
    at = np.full(100_000, float(shallow))
    matched = rarefied_log_odds(many, np.full(100_000, deep), at).mean()
    plain = rarefied_log_odds(few, at, at).mean()
    assert matched == pytest.approx(plain, abs=0.01)
    # the half count alone leaves a difference
    half = 0.5 * deep / shallow
    assert abs(np.log((many + half) / (deep - many + half)).mean() - plain) > 0.05


def test_shallow_and_missing_samples():
    n, total = np.array([2.0, np.nan, 4.0]), np.array([10.0, np.nan, 40.0])
    found = rarefied_log_odds(n, total, np.array([20.0, 20.0, np.nan]))
    assert found[0] == pytest.approx(np.log(2.25 / 8.25))
    assert np.isnan(found[1:]).all()
