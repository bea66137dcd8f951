import numpy as np
import pandas as pd
import pytest
from scipy.stats.contingency import association

from stietime.cells.embedding.contrast_design import Arms, confounded_contrasts, judge_contrasts
from stietime.cells.embedding.design import relate_factors, told_share
from stietime.cells.embedding.design_notices import design_notices


def sheet(*rows):
    """Rows of patient, environment, batch and, where given, time point."""
    columns = ["patient", "environment", "batch", "timepoint"]
    filled = [(*row, "")[:4] for row in rows]
    return pd.DataFrame(filled, columns=columns, index=[f"s{place}" for place in range(len(rows))])


def blood_against_tumour(samples, *, paired):
    patients, where = samples["patient"], samples["environment"]
    return {"stie_vs_time": Arms(patients[where == "STIE"], patients[where == "TIME"], paired)}


TWO_STUDIES = sheet(
    *((f"p{i}", "STIE", "blood study") for i in range(4)),
    *((f"q{i}", "TIME", "tumour study") for i in range(4)),
)
BALANCED = sheet(*((f"p{i}", where, f"run{i % 2}") for i in range(6) for where in ("STIE", "TIME")))
TWO_RUNS = sheet(*((f"p{i}", where, f"{where} run") for i in range(5) for where in ("STIE", "TIME")))
OWN_BATCHES = sheet(*((f"p{i}", where, f"{where}{i}") for i in range(4) for where in ("STIE", "TIME")))


def relation(samples, factor, other):
    table = relate_factors(samples, [factor], [other])
    return table.iloc[0]


@pytest.mark.parametrize(
    ("samples", "factor", "other", "level", "note"),
    [
        (
            TWO_STUDIES,
            "batch",
            "environment",
            "fully",
            "every batch holds one environment (blood study: STIE",
        ),
        (BALANCED, "batch", "environment", "not", "every batch holds more than one environment"),
        (OWN_BATCHES, "batch", "patient", "fully", "every batch holds one patient"),
        (BALANCED, "batch", "patient", "not", "every batch holds more than one patient"),
        (TWO_STUDIES, "patient", "environment", "fully", "every patient holds one environment"),
        (BALANCED, "batch", "timepoint", "one value", "all samples are of one timepoint"),
        (BALANCED.assign(batch="x"), "batch", "environment", "one value", "all samples are of one batch"),
    ],
)
def test_factors_are_related_in_words(samples, factor, other, level, note):
    found = relation(samples, factor, other)
    assert found["level"] == level
    assert found["note"].startswith(note)
    assert found["n_samples"] == len(samples)


def test_nearly_and_partly_lie_between():
    mostly = sheet(
        *[("p", "STIE", "a")] * 9, ("p", "TIME", "a"), *[("p", "TIME", "b")] * 9, ("p", "STIE", "b")
    )
    assert relation(mostly, "batch", "environment")["level"] == "nearly"
    some = sheet(*[("p", "STIE", "a")] * 2, *[("p", "STIE", "b"), ("p", "TIME", "b")] * 4)
    found = relation(some, "batch", "environment")
    assert found["level"] == "partly"
    assert found["note"] == "1 of 2 values of batch hold one environment (a: STIE)"


def test_what_a_factor_tells_is_the_square_of_cramers_v_for_two_values_and_has_a_direction():
    rng = np.random.default_rng(0)
    other = pd.Series(rng.choice(["STIE", "TIME"], 60))
    factor = pd.Series(np.where(rng.random(60) < 0.6, other, rng.choice(list("abc"), 60)))
    expected = association(pd.crosstab(factor, other).to_numpy(), method="cramer") ** 2
    assert told_share(factor, other) == pytest.approx(expected)
    assert told_share(BALANCED["patient"], BALANCED["batch"]) == pytest.approx(1)
    assert told_share(BALANCED["batch"], BALANCED["patient"]) < 0.3
    assert np.isnan(told_share(factor, pd.Series(["x"] * 60)))


def test_an_empty_value_is_a_value_and_a_missing_column_is_passed_over():
    samples = TWO_STUDIES.assign(batch=["a"] * 4 + ["", None, np.nan, " "])
    assert "(none given): TIME" in relation(samples, "batch", "environment")["note"]
    assert relate_factors(samples, ["chemistry"]).empty
    assert judge_contrasts(samples, blood_against_tumour(samples, paired=False), ["chemistry"]).empty


def verdict(samples, *, paired, factors=("batch",), **columns):
    samples = samples.assign(**columns)
    return judge_contrasts(samples, blood_against_tumour(samples, paired=paired), factors).iloc[0]


@pytest.mark.parametrize(
    ("samples", "paired", "level", "confounded", "imbalance"),
    [
        (TWO_STUDIES, False, "fully", True, 1),
        (TWO_RUNS, True, "fully", True, 1),
        (BALANCED, True, "not", False, 0),
        (OWN_BATCHES, True, "nested", False, 1),
        (BALANCED.assign(batch="x"), True, "one value", False, 0),
    ],
)
def test_contrasts_are_judged(samples, paired, level, confounded, imbalance):
    found = verdict(samples, paired=paired)
    assert (found["level"], bool(found["confounded"])) == (level, confounded)
    assert found["imbalance"] == pytest.approx(imbalance)


def test_an_uneven_contrast_is_nearly_or_partly_confounded_and_still_tested():
    rows = [(f"p{i}", "STIE", "a" if i < 9 else "b") for i in range(10)]
    nearly = sheet(*rows, *((f"q{i}", "TIME", "b" if i < 9 else "a") for i in range(10)))
    partly = sheet(*rows, *((f"q{i}", "TIME", "b" if i < 4 else "a") for i in range(10)))
    assert verdict(nearly, paired=False)[["level", "confounded"]].tolist() == ["nearly", False]
    assert verdict(nearly, paired=False)["imbalance"] == pytest.approx(0.8)
    assert verdict(partly, paired=False)["level"] == "partly"
    assert verdict(partly, paired=False)["imbalance"] == pytest.approx(0.3)


def test_every_patient_weighs_the_same_and_only_pairs_count():
    samples = sheet(
        *[("p1", "STIE", "a")] * 3,
        ("p1", "TIME", "a"),
        ("p2", "STIE", "b"),
        ("p2", "TIME", "b"),
        ("p3", "STIE", "c"),
    )
    assert verdict(samples, paired=True)["imbalance"] == pytest.approx(0)
    assert verdict(samples, paired=False)["imbalance"] == pytest.approx(1 / 3)


def test_two_studies_without_a_pair_are_confounded_all_the_same():
    found = verdict(TWO_STUDIES, paired=True)
    assert (found["level"], bool(found["confounded"])) == ("fully", True)
    assert found["note"].startswith("confounded with batch: blood study in the first arm, tumour study")


def test_arms_with_nothing_to_compare_are_not_called_confounded():
    shared = TWO_STUDIES.assign(batch="one")
    found = verdict(shared, paired=True)
    assert (found["level"], bool(found["confounded"])) == ("no samples", False)
    assert found["note"] == "no patient has samples in both arms"
    none = judge_contrasts(
        TWO_STUDIES, {"x": Arms(TWO_STUDIES["patient"][:0], TWO_STUDIES["patient"], False)}
    )
    assert none["note"].tolist() == ["an arm has no samples"]


def test_another_chemistry_confounds_where_the_batch_does_not():
    chemistry = ["v2" if where == "STIE" else "v3" for where in BALANCED["environment"]]
    samples = BALANCED.assign(chemistry=chemistry)
    table = judge_contrasts(samples, blood_against_tumour(samples, paired=True))
    assert dict(zip(table["factor"], table["confounded"], strict=True)) == {"batch": False, "chemistry": True}
    reasons = confounded_contrasts(table)
    assert reasons == {
        "stie_vs_time": "confounded with chemistry: v2 in the first arm, v3 in the second, none in both"
    }


def test_time_points_are_judged_as_environments_are():
    rows = [(f"p{i}", "TIME", when, when) for i in range(4) for when in ("before", "after")]
    samples = sheet(*rows)
    patients, when = samples["patient"], samples["timepoint"]
    arms = {"after_vs_before:TIME": Arms(patients[when == "after"], patients[when == "before"], True)}
    table = judge_contrasts(samples, arms)
    assert table["confounded"].tolist() == [True]
    told = design_notices(relate_factors(samples, ["batch"]), table)
    assert told[0].startswith("batch and timepoint cannot be told apart")


def test_a_fully_confounded_design_is_told_with_what_can_still_be_concluded():
    relations = relate_factors(TWO_STUDIES, ["batch", "patient"])
    table = judge_contrasts(TWO_STUDIES, blood_against_tumour(TWO_STUDIES, paired=False))
    corrected = design_notices(relations, table, ["batch"])
    assert "takes what differs between environments out of the embedding" in corrected[0]
    assert (
        "Cell types within each environment, and comparisons within each batch, still hold." in corrected[0]
    )
    assert corrected[1].startswith("Nothing can be concluded from “stie_vs_time” (confounded with batch")
    assert corrected[1].endswith("No contrast of the cohort is free of it.")
    plain = design_notices(relations, table)
    assert plain[0].endswith("What differs between environments may be a difference of batch.")


def test_a_batch_of_one_environment_among_others_is_told():
    samples = sheet(
        *((f"p{i}", where, "a") for i in range(3) for where in ("STIE", "TIME")),
        *((f"q{i}", where, "b") for i in range(3) for where in ("STIE", "TIME")),
        ("r", "TIME", "c"),
    )
    told = design_notices(relate_factors(samples, ["batch", "patient"]), judge_contrasts(samples, {}))
    assert told == [
        "batch and environment cannot be told apart in part: 1 of 3 values of batch hold one environment "
        "(c: TIME). What is seen there may be a difference of batch; comparisons of environments rest on the "
        "other batches."
    ]


def test_contrasts_that_are_not_affected_are_named():
    patients = TWO_RUNS["patient"]
    arms = {
        **blood_against_tumour(TWO_RUNS, paired=True),
        "other": Arms(patients.iloc[[0, 2]], patients.iloc[[4, 6]], paired=False),
    }
    told = design_notices(relate_factors(TWO_RUNS, ["batch"]), judge_contrasts(TWO_RUNS, arms), ["batch"])
    assert told[-1].endswith("Not affected: “other”.")


def test_one_patient_per_batch_is_told_when_it_is_corrected():
    samples = sheet(*((f"p{i}", where, f"run{i}") for i in range(4) for where in ("STIE", "TIME")))
    relations = relate_factors(samples, ["batch"])
    table = judge_contrasts(samples, blood_against_tumour(samples, paired=True))
    told = design_notices(relations, table, ["batch"])
    assert len(told) == 1
    assert told[0].startswith(
        "Correction over batch takes the differences between patients out of the embedding"
    )
    assert design_notices(relations, table) == []


def test_a_balanced_design_needs_no_word():
    relations = relate_factors(BALANCED, ["batch", "patient"])
    assert (
        design_notices(
            relations, judge_contrasts(BALANCED, blood_against_tumour(BALANCED, paired=True)), ["batch"]
        )
        == []
    )
