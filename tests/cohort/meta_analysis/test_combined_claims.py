"""The combined verdict of a claim, and the cohorts' own beside it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.cohort.meta_analysis.fabricated import AFTER, BLOOD, cohort, row

from stietime.cohort.claims.reasons import REASONS
from stietime.cohort.claims.verdicts import Margins
from stietime.cohort.meta_analysis.claims import combine_claims
from stietime.cohort.meta_analysis.questions import find_questions
from stietime.cohort.meta_analysis.tables import combine_rows, gather_rows
from stietime.resources import read_claims

NK, TREG, NEUTROPHIL = (
    "T1_NSCLC_STIE_cell_05",
    "T1_NSCLC_STIE_cell_13",
    "T1_NSCLC_STIE_cell_09",
)  # up, down, unchanged


def combined(*cohorts, alpha=0.05, with_confounded=False, **options):
    questions = find_questions(cohorts)
    table, _ = combine_rows(gather_rows(cohorts, questions, with_confounded=with_confounded), questions)
    claims = combine_claims(
        read_claims(), cohorts, questions, table, alpha=alpha, margins=Margins(0.5, 0.05, 0.5), **options
    )
    assert claims["claim_id"].tolist() == read_claims()["claim_id"].tolist()
    assert len(claims) == 516
    assert set(claims["reason"]) <= set(REASONS)
    return claims.set_index("claim_id")


def of(claims, claim):
    return claims.loc[claim.replace("_", "-")]


def weighed(entity, verdict, reason, contrast=BLOOD, kind="cell_fraction"):
    return (verdict, reason, contrast, kind, entity)


def three(effect, *, se=0.2, entity="nk", claim=NK, verdict="supported", reason="same direction", apart=0.2):
    """Make three cohorts whose effects lie apart."""
    own = weighed(entity, verdict, reason)
    effects = {"a": effect - apart, "b": effect, "c": effect + apart}
    return [cohort(name, row(entity, one, se=se, df=30.0), **{claim: own}) for name, one in effects.items()]


def test_cohorts_that_agree_support_a_claim():
    found = of(combined(*three(2.0)), NK)
    assert (found["verdict"], found["reason"], found["status"]) == ("supported", "same direction", "combined")
    assert (found["n_cohorts"], found["n_patients"], found["n_up"]) == (3, 18, 3)
    assert (found["n_supported"], found["n_contradicted"]) == (3, 0)
    assert found["cohorts_agree"] == "agree"
    assert found["verdict_here"] == "supported"
    assert (found["verdict:a"], found["reason:c"]) == ("supported", "same direction")
    assert (found["contrast"], found["entity_tested"], found["cohorts"]) == (BLOOD, "nk", "a, b, c")


def test_the_opposite_sign_contradicts():
    found = of(
        combined(*three(2.0, entity="treg", claim=TREG, verdict="contradicted", reason="opposite direction")),
        TREG,
    )
    assert (found["verdict"], found["reason"]) == ("contradicted", "opposite direction")


def test_cohorts_that_contradict_each_other_leave_it_open():
    up = cohort("a", row("nk", 2.0), **{NK: weighed("nk", "supported", "same direction")})
    down = cohort("b", row("nk", -2.0), **{NK: weighed("nk", "contradicted", "opposite direction")})
    found = of(combined(up, down), NK)
    assert found["verdict"] == "inconclusive"
    assert found["cohorts_agree"] == "disagree"
    assert found["n_up"] == 1
    assert found["i2"] > 0.9


def test_unchanged_is_shown_by_equivalence():
    claims = combined(
        *three(
            0.02,
            se=0.05,
            apart=0.02,
            entity="neutrophil",
            claim=NEUTROPHIL,
            verdict="supported",
            reason="equivalent",
        )
    )
    found = of(claims, NEUTROPHIL)
    assert (found["verdict"], found["reason"]) == (REASONS["equivalent"][0], "equivalent")
    assert found["verdict_here"] == found["verdict"]
    wide = combined(
        *three(
            0.02,
            se=0.6,
            entity="neutrophil",
            claim=NEUTROPHIL,
            verdict="inconclusive",
            reason="not significant",
        )
    )
    assert of(wide, NEUTROPHIL)["reason"] == "neither changed nor equivalent"


def test_two_cohorts_decide_here_but_not_for_the_next():
    found = of(combined(*three(1.0, apart=0.4)[:2]), NK)
    assert found["verdict"] == "inconclusive"
    assert found["verdict_here"] == "supported"


def test_one_cohort_keeps_its_own_verdict():
    own = cohort("a", row("nk", 2.0, q=0.001), **{NK: weighed("nk", "supported", "same direction")})
    few = cohort(
        "b",
        row("nk", 2.0, status="too few patients"),
        **{NK: weighed("nk", "not testable", "too few patients")},
    )
    found = of(combined(own, few), NK)
    assert (found["verdict"], found["status"], found["n_cohorts"]) == ("supported", "one cohort", 1)
    assert "a alone, not combined" in found["detail"]
    assert found["verdict_here"] == ""


def test_where_none_can_the_nearest_to_a_test_tells_why():
    few = cohort(
        "a",
        row("nk", 2.0, status="too few patients"),
        **{NK: weighed("nk", "not testable", "too few patients")},
    )
    none = cohort("b", row("mast", 1.0))
    found = of(combined(few, none), NK)
    assert (found["verdict"], found["reason"], found["status"]) == (
        "not testable",
        "too few patients",
        "not testable",
    )
    assert found["detail"].startswith("nearest to a test: a")
    assert np.isnan(found["estimate"])


def test_confounded_cohorts_give_no_verdict_even_when_asked_in():
    clear = three(2.0)[:2]
    mixed_up = cohort(
        "d", row("nk", 2.0, status="confounded"), **{NK: weighed("nk", "inconclusive", "confounded")}
    )
    assert of(combined(*clear, mixed_up), NK)["n_cohorts"] == 2
    asked = of(combined(*clear, mixed_up, with_confounded=True), NK)
    assert (asked["verdict"], asked["reason"], asked["n_cohorts"]) == ("inconclusive", "confounded", 3)


def other_cancer(name):
    point = {NK: ("not testable", "other cancer", "", "", "")}
    return cohort(name, row("nk", 2.0, cancer="HCC", df=30.0), **point)


def test_a_claim_about_one_cancer_rests_on_that_cancer_unless_asked():
    lung = three(2.0)[:2]
    own = of(combined(*lung, other_cancer("liver")), NK)
    assert (own["n_cohorts"], own["contrast"]) == (2, "stie_vs_time;cancer=NSCLC")
    every = of(combined(*lung, other_cancer("liver"), over_cancers=True), NK)
    assert (every["n_cohorts"], every["contrast"]) == (3, "stie_vs_time")
    assert every["verdict"] == "supported"
    # without a cohort of that cancer there is nothing to weigh, asked or not
    none = of(combined(other_cancer("a"), other_cancer("b"), over_cancers=True), NK)
    assert (none["verdict"], none["reason"]) == ("not testable", "other cancer")


def test_a_treatment_of_some_is_asked_of_those_who_had_it():
    claim = "T2_NSCLC_STIE_cell_03"  # NK after radiotherapy, blood
    contrast = AFTER.replace("TIME", "STIE")
    narrow = f"{contrast};treatment=radiotherapy"
    told = {"treatment": "radiotherapy", "environment": "STIE"}
    supported = ("nk", "supported", "same direction")
    had = row("nk", 2.0, contrast=contrast, df=30.0, **told)
    all_had = [cohort(name, had, **{claim: weighed(*supported, contrast)}) for name in "ab"]
    every = row("nk", -5.0, contrast=contrast, environment="STIE", treatment="")
    some = cohort("c", every, had | {"contrast": narrow}, **{claim: weighed(*supported, narrow)})
    found = of(combined(*all_had, some), claim)
    assert (found["contrast"], found["n_cohorts"]) == (narrow, 3)
    assert found["estimate"] == pytest.approx(2.0)


def test_the_entity_that_most_cohorts_can_test_is_taken():
    fraction = [
        cohort(n, row("nk", 2.0, df=30.0), **{NK: weighed("nk", "supported", "same direction")}) for n in "ab"
    ]
    score = cohort(
        "c",
        row("nk", 0.2, kind="signature"),
        **{NK: weighed("nk", "supported", "same direction", kind="signature")},
    )
    found = of(combined(score, *fraction), NK)
    assert (found["kind_tested"], found["n_cohorts"], found["n_supported"]) == ("cell_fraction", 2, 3)


def test_the_direction_is_that_of_the_first_arm_where_the_cohorts_tell_it():
    turned = three(2.0)
    for one in turned:
        one.claims["expected"] = ""
        one.claims.loc[one.claims["claim_id"] == NK.replace("_", "-"), "expected"] = "down"
    assert of(combined(*turned), NK)["verdict"] == "contradicted"
