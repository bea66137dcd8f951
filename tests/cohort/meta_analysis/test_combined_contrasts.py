"""Which rows of several cohorts are combined, and what becomes of the others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from tests.cohort.meta_analysis.fabricated import AFTER, cohort, row

from stietime.cohort.meta_analysis.questions import find_questions
from stietime.cohort.meta_analysis.tables import combine_rows, gather_rows
from stietime.cohort.testing.effects import false_discovery_rates


def combine(*cohorts, **options):
    questions = find_questions(cohorts)
    table, rows = combine_rows(gather_rows(cohorts, questions, **options), questions)
    return table.set_index(["contrast", "kind", "entity"]), rows.set_index(["contrast", "entity", "cohort"])


def test_a_cancer_is_asked_of_those_who_have_it():
    lung = cohort("lung", row("nk", 1.0))
    mixed = cohort(
        "mixed", row("nk", 1.0, cancer=""), row("nk", 1.0, contrast="stie_vs_time;cancer=NSCLC"),
        row("nk", 1.0, contrast="stie_vs_time;cancer=HCC", cancer="HCC"),
    )  # fmt: skip
    found = {question.name: question for question in find_questions([lung, mixed])}
    assert found["stie_vs_time"].members == {"lung": "stie_vs_time", "mixed": "stie_vs_time"}
    assert found["stie_vs_time"].cancer == ""
    narrow = found["stie_vs_time;cancer=NSCLC"]
    assert narrow.members == {"lung": "stie_vs_time", "mixed": "stie_vs_time;cancer=NSCLC"}
    assert narrow.cancer == "NSCLC"
    assert found["stie_vs_time;cancer=HCC"].members == {"mixed": "stie_vs_time;cancer=HCC"}
    assert len(found) == 3


def test_a_question_that_no_wider_one_differs_from_is_not_asked_again():
    found = find_questions([cohort("a", row("nk", 1.0)), cohort("b", row("nk", 1.0))])
    assert [question.name for question in found] == ["stie_vs_time"]
    assert found[0].cancer == "NSCLC"


def test_treatments_are_kept_apart():
    a = cohort("a", row("nk", 1.0, contrast=AFTER, treatment="radiotherapy"))
    both = cohort(
        "both", row("nk", 1.0, contrast=AFTER, treatment=""),
        row("nk", 1.0, contrast=f"{AFTER};treatment=radiotherapy", treatment="radiotherapy"),
        row("nk", 1.0, contrast=f"{AFTER};treatment=immunotherapy", treatment="immunotherapy"),
    )  # fmt: skip
    found = {question.name: question.members for question in find_questions([a, both])}
    assert found == {
        AFTER: {"a": AFTER, "both": AFTER},
        f"{AFTER};treatment=immunotherapy": {"both": f"{AFTER};treatment=immunotherapy"},
        f"{AFTER};treatment=radiotherapy": {"a": AFTER, "both": f"{AFTER};treatment=radiotherapy"},
    }


def test_equal_cohorts_without_heterogeneity_give_the_formula():
    se, df = 0.2, 5.0
    table, rows = combine(
        cohort("a", row("nk", 1.0)), cohort("b", row("nk", 1.0)), cohort("c", row("nk", 1.0))
    )
    found = table.loc[("stie_vs_time", "cell_fraction", "nk")]
    wide = se * stats.t.ppf(0.975, df) / stats.norm.ppf(0.975)
    assert found["estimate"] == pytest.approx(1.0)
    assert found["se"] == pytest.approx(0, abs=1e-12)  # they agree by construction
    assert found["se_normal"] == pytest.approx(wide / np.sqrt(3))
    assert found["ci_high"] == pytest.approx(1 + stats.norm.ppf(0.975) * wide / np.sqrt(3))
    assert found["p"] == pytest.approx(2 * stats.norm.sf(np.sqrt(3) / wide))
    assert found["prediction_high"] == pytest.approx(1 + stats.t.ppf(0.975, 1) * wide / np.sqrt(3))
    assert found["common_high"] == pytest.approx(1 + 1.959964 * wide / np.sqrt(3))
    assert (found["tau2"], found["i2"]) == (0, 0)
    assert (found["n_cohorts"], found["n_patients"], found["n_pairs"], found["n_up"]) == (3, 18, 18, 3)
    assert found["status"] == "combined"
    np.testing.assert_allclose(rows["weight"], 1 / 3)
    assert (rows["use"] == "combined").all()


def test_the_false_discovery_rate_is_within_contrast_and_kind():
    effects = {"nk": 2.0, "mast": 0.5, "b_cell": 0.1}
    every = [
        cohort(name, *(row(e, v) for e, v in effects.items()), row("set", 0.3, kind="signature"))
        for name in "abc"
    ]
    table, _ = combine(*every)
    fractions = table.xs("cell_fraction", level="kind")
    np.testing.assert_allclose(fractions["q"], false_discovery_rates(fractions["p"].to_numpy()))
    np.testing.assert_allclose(fractions["common_q"], false_discovery_rates(fractions["common_p"].to_numpy()))
    score = table.xs("signature", level="kind").iloc[0]
    assert score["q"] == score["p"]


def test_one_cohort_is_passed_on_and_never_called_combined():
    alone = row("nk", 1.0, q=0.012)
    table, rows = combine(cohort("a", alone), cohort("b", row("nk", 0.0, status="too few patients")))
    found = table.loc[("stie_vs_time", "cell_fraction", "nk")]
    assert found["status"] == "one cohort"
    for column in ("estimate", "se", "df", "ci_low", "ci_high", "p", "q", "method"):
        assert found[column] == alone[column]
    assert np.isnan(found["tau2"])
    assert np.isnan(found["common_p"])
    assert found["n_patients"] == 6
    assert found["note"] == "a alone, not combined; left out: b (too few patients)"
    assert rows.loc[("stie_vs_time", "nk", "a"), "use"] == "one cohort"
    left_out = rows.loc[("stie_vs_time", "nk", "b")]
    assert (left_out["use"], left_out["why_left_out"]) == ("left out", "too few patients")
    assert np.isnan(left_out["weight"])


def test_what_no_cohort_tested_is_not_testable_with_every_reason():
    table, _ = combine(
        cohort("a", row("nk", 0.0, status="not measured"), row("mast", 1.0)), cohort("b", row("mast", 1.0)),
        cohort("c", row("nk", 0.0, status="no variance"), row("mast", 1.0)),
    )  # fmt: skip
    found = table.loc[("stie_vs_time", "cell_fraction", "nk")]
    assert found["status"] == "not testable"
    assert np.isnan(found["estimate"])
    assert found["note"] == "left out: a (not measured), b (no such row), c (no variance)"
    assert (found["n_cohorts"], found["n_patients"], found["n_left_out"]) == (0, 0, 3)
    assert table.loc[("stie_vs_time", "cell_fraction", "mast"), "n_left_out"] == 0


def test_other_scales_parents_and_arms_are_left_out():
    same = [cohort(name, row("nk", 1.0), row("set", 0.1, kind="signature")) for name in "ab"]
    other = cohort(
        "c",
        row("nk", 1.0, parent="all"),
        row("set", 0.1, kind="signature"),
        scales={"signature": "score by aucell"},
    )
    table, rows = combine(*same, other)
    assert (table["n_cohorts"] == 2).all()
    assert (rows.xs("c", level="cohort")["why_left_out"] == "measured otherwise").all()
    assert (table["cohorts"] == "a, b").all()
    own = [
        cohort(n, row("nk", 1.0, contrast="mine", design="configured"), definitions={"mine": d})
        for n, d in ("ax", "by")
    ]
    table, rows = combine(*own)
    assert table["status"].tolist() == ["one cohort"]
    assert table["cohorts"].tolist() == ["a"]


def test_confounded_contrasts_enter_only_when_asked():
    cohorts = [
        cohort("a", row("nk", 1.0)),
        cohort("b", row("nk", 1.0)),
        cohort("c", row("nk", 3.0, status="confounded")),
    ]
    table, rows = combine(*cohorts)
    assert table["n_cohorts"].tolist() == [2]
    assert rows.loc[("stie_vs_time", "nk", "c"), "why_left_out"] == "confounded"
    asked, _ = combine(*cohorts, with_confounded=True)
    assert asked["n_cohorts"].tolist() == [3]
    assert asked["n_confounded"].tolist() == [1]
    assert "1 confounded cohort entered as asked" in asked["note"].iloc[0]


def test_more_rows_than_any_one_table_holds():
    rng = np.random.default_rng(3)
    entities = [f"g{i}" for i in range(1500)]
    cohorts = [
        cohort(
            n,
            *(
                row(e, v, kind="gene_expression")
                for e, v in zip(entities, rng.normal(0.5, 0.3, 1500), strict=True)
            ),
        )
        for n in "abcd"
    ]
    table, rows = combine(*cohorts)
    assert len(table) == 1500
    assert len(rows) == 6000
    # far apart in units of their error: as good as the mean of all
    assert table["estimate"].mean() == pytest.approx(0.5, abs=0.02)
