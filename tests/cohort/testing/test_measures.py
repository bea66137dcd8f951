"""Pooling of samples by patient, and the scales of the tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cohort.composition.log_odds import rarefied_log_odds
from stietime.cohort.design.designs import Contrast
from stietime.cohort.expression.samples import expression_measure, sum_genes
from stietime.cohort.testing.measures import (
    CELL_FRACTION,
    SIGNATURE,
    Measure,
    arms,
    composition_measure,
    log2_cpm,
    pool,
)
from stietime.cohort.testing.signatures import signature_measure


def arm(**patients):
    return pd.Series(patients, dtype=object)


def contrast(first, second, *, paired=True):
    return Contrast("c", "stie_vs_time", "", first, second, paired=paired)


def measure(n, total, kind=CELL_FRACTION, floor=10):
    return Measure(kind, pd.DataFrame(n, dtype=float), pd.DataFrame(total, dtype=float), floor)


def test_equal_depths_give_the_plain_empirical_logit():
    n, total = np.array([0.0, 3.0, 50.0]), np.full(3, 50.0)
    expected = np.log((n + 0.5) / (total - n + 0.5))
    np.testing.assert_allclose(rarefied_log_odds(n, total, total), expected)


def test_absent_entities_do_not_depend_on_depth():
    total = np.array([40.0, 4000.0])
    for fraction in (0.0, 1.0):
        values = rarefied_log_odds(fraction * total, total, np.full(2, 40.0))
        assert values[0] == pytest.approx(values[1])
    cpm = log2_cpm(np.zeros(2), total * 1e3, np.full(2, 4e4))
    assert cpm[0] == pytest.approx(cpm[1])


def test_deep_counts_approach_log_odds_and_log2_fold():
    big = np.array([2e6, 8e6])
    values = rarefied_log_odds(big, np.full(2, 1e7), np.full(2, 1e7))
    np.testing.assert_allclose(values, np.log([0.25, 4.0]), rtol=1e-5)
    assert np.diff(log2_cpm(big, np.full(2, 1e9), np.full(2, 1e9)))[0] == pytest.approx(2, rel=1e-5)


def test_samples_of_a_patient_are_summed_before_they_are_divided():
    n = {"x": {"a": 10, "b": 0, "c": 30, "d": 1}}
    total = {"x": {"a": 100, "b": 300, "c": 60, "d": 60}}
    values = arms(measure(n, total), contrast(arm(a="p1", b="p1"), arm(c="p1", d="p1")))
    assert (values.natural_first[0, 0], values.natural_second[0, 0]) == (10 / 400, 31 / 120)
    expected = rarefied_log_odds(np.array([10.0]), np.array([400.0]), np.array([120.0]))
    assert values.first[0, 0] == expected[0]


def test_few_parent_cells_are_judged_after_pooling():
    total = {"x": {"a": 6, "b": 6, "c": 100, "d": 9}}
    n = {"x": dict.fromkeys("abcd", 1)}
    kept = arms(measure(n, total), contrast(arm(a="p1", b="p1"), arm(c="p1")))
    assert not np.isnan(kept.first).any()
    left_out = arms(measure(n, total), contrast(arm(c="p1"), arm(d="p1")))
    assert np.isnan(left_out.first).all()
    assert left_out.n_in_both[0] == 0


def test_pairs_are_matched_by_patient_whatever_the_order():
    total = {"x": dict.fromkeys("abcd", 100)}
    n = {"x": {"a": 10, "b": 20, "c": 30, "d": 40}}
    values = arms(measure(n, total), contrast(arm(a="p1", b="p2"), arm(d="p2", c="p1")))
    np.testing.assert_allclose(values.natural_second - values.natural_first, [[0.2], [0.2]])


def test_an_entity_nobody_has_was_not_seen():
    total = {"x": {"a": 100, "b": 100}, "y": {"a": 100, "b": 100}}
    n = {"x": {"a": 0, "b": 0}, "y": {"a": 0, "b": 1}}
    values = arms(measure(n, total), contrast(arm(a="p1"), arm(b="p1")))
    np.testing.assert_array_equal(values.seen, [False, True])
    scores = arms(measure(n, total, kind=SIGNATURE), contrast(arm(a="p1"), arm(b="p1")))
    assert scores.seen.all()  # a mean score of 0 is a measurement


def test_groups_share_the_depth_of_the_shallower_median():
    total = {"x": {"a": 50, "b": 70, "c": 1000, "d": 3000}}
    n = {"x": dict.fromkeys("abcd", 0)}
    values = arms(measure(n, total), contrast(arm(a="p1", b="p2"), arm(c="p3", d="p4"), paired=False))
    np.testing.assert_allclose(np.concatenate([values.first, values.second]), np.log(0.5 / 60.5))


def test_pooling_keeps_a_sample_that_a_measure_lacks_as_nothing():
    frame = pd.DataFrame({"x": {"a": 3.0}})
    assert pool(frame, arm(a="p1", z="p2"))["x"].tolist() == [3, 0]


def test_signatures_are_means_within_the_parent(sets, name_samples, draw_cohort):
    cells = draw_cohort({("STIE", "before"): {}}, n_patients=2, n_cells=200)
    cells.loc[5, "score_mhc_i"] = np.nan
    found = signature_measure(cells, name_samples(cells), sets, min_parent_cells=10)
    means = found.numerator / found.denominator
    for sample, rows in cells.groupby("sample"):
        inside = rows[rows["cell_type"] == "cd8_t"]
        assert means.loc[sample, "cd8_gzmb"] == pytest.approx(inside["score_cd8_gzmb"].mean())
        inside = rows[rows["lineage"] == "t_cell"]
        assert means.loc[sample, "effector_t"] == pytest.approx(inside["score_effector_t"].mean())
        assert means.loc[sample, "mhc_i"] == pytest.approx(rows["score_mhc_i"].mean())
    assert found.denominator["m2_macrophage"].eq(0).all()  # no macrophage was seen
    assert found.parents["m2_macrophage"] == "macrophage"
    assert "m2_m1_ratio" not in means
    assert "tls" not in means


def test_types_named_like_a_state_do_not_hide_the_call(sets, name_samples, draw_cohort):
    from stietime.cohort.composition.composition import count_entities

    cells = draw_cohort({("STIE", "before"): {}}, n_patients=1)
    cells.loc[cells["is_treg"], "cell_type"] = "treg"
    samples = name_samples(cells)
    found = composition_measure(
        count_entities(cells, samples, sets, min_parent_cells=10), min_parent_cells=10
    )
    cd4 = cells["cell_type"].isin(["cd4_t", "treg"])
    assert found.parents["treg"] == "cd4_t"
    assert found.denominator["treg"].tolist() == [cd4.sum()]
    assert found.denominator["treg_of_immune"].tolist() != [cd4.sum()]


def test_pseudobulk_sums_kept_cells_and_tells_missing_from_zero():
    counts = sparse.csr_matrix(np.array([[1, 0, 5], [2, 0, 1], [100, 100, 100]], dtype=np.int32))
    kept = np.array([True, True, False])
    bulk = sum_genes(counts, pd.Index(["A", "B", "C"]), kept, ["C", "B", "D"])
    assert (bulk.counts.to_dict(), bulk.library, bulk.n_cells) == ({"C": 6, "B": 0}, 9, 2)
    table = expression_measure({"s1": bulk, "s2": bulk}, ["C", "B", "D"], min_parent_cells=2)
    assert table.numerator.loc["s1"].tolist() == [6, 0, 0]
    assert table.denominator.loc["s1"].tolist() == [9, 9, 0]
    too_few = expression_measure({"s1": bulk}, ["C"], min_parent_cells=3)
    assert too_few.denominator.loc["s1"].tolist() == [0]


def test_large_sums_do_not_overflow():
    counts = sparse.csr_matrix(np.full((3, 1), 2**30, dtype=np.int32))
    assert sum_genes(counts, pd.Index(["A"]), np.ones(3, bool), ["A"]).counts["A"] == 3 * 2**30
