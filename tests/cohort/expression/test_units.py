"""Which sums a contrast compares, and the design that compares them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.cohort.design.designs import Contrast
from stietime.cohort.expression.units import UNIT, choose_units, design_of, judge_units, list_samples
from stietime.cohort.testing.contrasts import NOT_MEASURED, TESTED, TOO_FEW


def arm(*samples):
    """Name an arm by its samples, such as p1_b; the patient stands before the line."""
    return pd.Series([name.partition("_")[0] for name in samples], index=list(samples))


def contrast(first, second, *, paired=True, minus=None):
    return Contrast("c", "d", "", arm(*first), arm(*second), paired, minus=minus)


PAIRS = contrast(["p1_b", "p1_c", "p2_b", "p3_b"], ["p1_t", "p2_t", "p3_t", "p4_t"])


def choose(one, cells, **few):
    samples = list_samples(one)
    n_cells = pd.Series(dict.fromkeys(samples["sample"], 50) | few)
    return choose_units(one, samples, n_cells, min_cells=cells)


def judged(one, units):
    return judge_units(one, units, min_pairs=3, min_cells=10)


def test_samples_of_a_patient_in_an_arm_are_one_unit():
    units = choose(PAIRS, 10)
    assert set(units["patient"]) == {"p1", "p2", "p3"}  # p4 has no blood
    assert len(units) == 7
    assert len(units.drop_duplicates(UNIT)) == 6
    # 6 and 5 cells of two samples are 11 together
    assert set(choose(PAIRS, 10, p1_b=6, p1_c=5)["sample"]) == set(units["sample"])
    assert set(choose(PAIRS, 10, p1_b=4, p1_c=5)["patient"]) == {"p2", "p3"}
    # a sample without a cell is no part of its unit
    assert "p1_b" not in set(choose(PAIRS, 10, p1_b=0)["sample"])


def test_verdicts():
    assert judged(PAIRS, choose(PAIRS, 10)) == (TESTED, "", 3, 3)
    two = judged(PAIRS, choose(PAIRS, 10, p2_t=9))
    assert two == (TOO_FEW, "not testable: 2 pairs with 10 cells, 3 needed", 2, 2)
    none = judged(PAIRS, choose(PAIRS, 100))
    assert none == (NOT_MEASURED, "not measured: 0 pairs with 10 cells", 0, 0)
    groups = contrast(["p1_b", "p2_b", "p3_b"], ["d1_b", "d2_b"], paired=False)
    told = judged(groups, choose(groups, 10))
    assert told == (TOO_FEW, "not testable: 3 against 2 patients with 10 cells, 3 of each needed", 5, 0)
    assert judged(groups, choose(groups, 10, d1_b=1, d2_b=1)).status == NOT_MEASURED


def test_one_patient_is_never_tested():
    one = contrast(["p1_b"], ["p1_t"])
    assert judged(one, choose(one, 10)).status == TOO_FEW
    assert judge_units(one, choose(one, 10), min_pairs=2, min_cells=10).status == TOO_FEW


@pytest.fixture
def differences():
    """Tumour after against before, less the same in blood."""
    after, before = ([f"p{i}_t{when}" for i in range(1, 5)] for when in ("a", "b"))
    blood = contrast([f"p{i}_ba" for i in range(1, 5)], [f"p{i}_bb" for i in range(1, 5)])
    return contrast(after, before, minus=blood)


def test_a_difference_of_differences_needs_all_four_sums_of_a_patient(differences):
    assert judged(differences, choose(differences, 10)) == (TESTED, "", 4, 4)
    units = choose(differences, 10, p2_bb=3)
    assert set(units["patient"]) == {"p1", "p3", "p4"}
    both = contrast(["p1_b", "p2_b", "p3_b"], ["p1_t", "p2_t", "p3_t"])
    same = contrast(["p1_b", "p2_b", "p3_b"], ["p1_t", "p2_t", "p3_t"], minus=both)
    assert judged(same, choose(same, 10)).note == "not testable: the two differences share samples"


def test_differences_of_two_groups_of_patients():
    others = contrast(["q1_a", "q2_a", "q3_a"], ["q1_b", "q2_b", "q3_b"])
    between = contrast(["p1_a", "p2_a", "p3_a"], ["p1_b", "p2_b", "p3_b"], paired=False, minus=others)
    units = choose(between, 10)
    assert judged(between, units) == (TESTED, "", 6, 0)
    assert judged(between, choose(between, 10, q1_a=2)).note == (
        "not testable: 3 against 2 patients with 10 cells, 3 of each needed"
    )
    assert np.linalg.matrix_rank(design_of(between, units).matrix) == 8


def recovered(one, units, value_of):
    """Fit the design by least squares to values without noise."""
    rows = units.drop_duplicates(UNIT)[UNIT].reset_index(drop=True)
    design = design_of(one, rows)
    matrix = design.matrix.to_numpy()
    assert np.linalg.matrix_rank(matrix) == matrix.shape[1]
    values = np.array([value_of(row) for row in rows.itertuples()])
    return design.vector @ np.linalg.lstsq(matrix, values, rcond=None)[0]


def test_designs_recover_what_they_are_about(differences):
    level = {f"p{i}": 3.0**i for i in range(1, 5)}
    found = recovered(PAIRS, choose(PAIRS, 10), lambda row: level[row.patient] + 2 * row.arm)
    assert found == pytest.approx(2)
    # 5 in the tumour less 3 in the blood; the patients differ in level, and in how blood and tumour differ
    found = recovered(
        differences,
        choose(differences, 10),
        lambda row: level[row.patient] * (1 + row.part) + (5, 3)[row.part] * row.arm,
    )
    assert found == pytest.approx(2)
    groups = contrast(["p1_b", "p2_b"], ["d1_b", "d2_b", "d3_b"], paired=False)
    assert recovered(groups, choose(groups, 10), lambda row: 7 + 2 * row.arm) == pytest.approx(2)
