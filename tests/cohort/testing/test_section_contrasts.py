from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from stietime.cohort.testing.section_contrasts import section_contrasts, split_p

WORDS = {"before": "before", "after": "after", "min_pairs": 3}


def cohort(n: int = 6, sections_each: int = 2, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients with sections before and after; `score` rises by 2 after, `other` does not."""
    rng = np.random.default_rng(seed)
    rows, values = [], []
    for i in range(n):
        own = rng.normal(0, 5)
        for time in ("before", "after"):
            for k in range(sections_each):
                name = f"s{i}{time}{k}"
                response = "R" if i % 2 else "NR"
                rows.append((name, f"p{i}", "TIME", time, response))
                score = own + 2.0 * (time == "after") + rng.normal(0, 0.3)
                values.append((name, "architecture", "score", score))
                values.append((name, "architecture", "other", own + rng.normal(0, 0.3)))
                values.append((name, "enrichment", "by_response", 3.0 * (response == "R") + rng.normal()))
    columns = ["section", "patient", "environment", "timepoint", "response"]
    return pd.DataFrame(values, columns=["section", "kind", "entity", "value"]), pd.DataFrame(
        rows, columns=columns
    )


def test_patients_are_the_unit_and_pairs_are_tested():
    values, sections = cohort()
    table = section_contrasts(values, sections, **WORDS)
    row = table.set_index(["contrast", "entity"]).loc[("after_vs_before:TIME", "score")]
    assert row["n_patients"] == 6
    assert row["estimate"] == pytest.approx(2.0, abs=0.4)
    assert row["p"] < 1e-3
    assert row["p_exact"] == pytest.approx(2 / 2**6)
    assert table.set_index(["contrast", "entity"]).loc[("after_vs_before:TIME", "other"), "p"] > 0.05
    # means over sections first: ten copies of every section change nothing
    copies = [values.assign(section=values["section"] + f"_{k}") for k in range(10)]
    more = [sections.assign(section=sections["section"] + f"_{k}") for k in range(10)]
    again = section_contrasts(pd.concat(copies), pd.concat(more), **WORDS)
    pd.testing.assert_frame_equal(again, table)


def test_responses_are_compared_before_treatment_between_patients():
    values, sections = cohort(n=10)
    table = section_contrasts(values, sections, **WORDS).set_index(["contrast", "entity"])
    row = table.loc[("response:NR_vs_R:TIME", "by_response")]
    assert (row["n_first"], row["n_second"]) == (5, 5)
    assert row["estimate"] == pytest.approx(-3, abs=1.5)
    assert row["p"] < 0.01
    before = sections[(sections["timepoint"] == "before") & (sections["response"] == "R")]["section"]
    chosen = values[values["section"].isin(before) & (values["entity"] == "by_response")]
    assert row["mean_second"] == pytest.approx(chosen["value"].mean())


def test_few_patients_are_not_testable_and_missing_values_are_not_zero():
    values, sections = cohort(n=2)
    table = section_contrasts(values, sections, **WORDS)
    assert (table["status"] == "not testable").all()
    assert table["p"].isna().all()
    assert "not testable: 2 patients with sections on both sides, 3 needed" in set(table["note"])
    values, sections = cohort()
    values.loc[values["section"].str.startswith("s0after") & (values["entity"] == "score"), "value"] = np.nan
    table = section_contrasts(values, sections, **WORDS).set_index(["contrast", "entity"])
    assert table.loc[("after_vs_before:TIME", "score"), "n_patients"] == 5
    assert table.loc[("after_vs_before:TIME", "other"), "n_patients"] == 6


def test_environments_are_paired_where_patients_have_both():
    values, sections = cohort()
    sections = sections.assign(
        environment=np.where(sections["timepoint"] == "after", "normal", "TIME"), timepoint=""
    )
    table = section_contrasts(values, sections, **WORDS).set_index(["contrast", "entity"])
    row = table.loc[("TIME_vs_normal", "score")]
    assert row["estimate"] == pytest.approx(-2.0, abs=0.4)
    assert "paired" in row["method"]
    apart = sections.assign(patient=sections["patient"] + sections["environment"])
    row = (
        section_contrasts(values, apart, **WORDS)
        .set_index(["contrast", "entity"])
        .loc[("TIME_vs_normal", "score")]
    )
    assert "Welch" in row["method"]


def test_exact_split_is_the_enumeration():
    rng = np.random.default_rng(1)
    first, second = rng.random(4), rng.random(3) + 0.3
    pooled = np.concatenate([first, second])
    seen = abs(first.mean() - second.mean())
    apart = [
        abs(pooled[list(c)].mean() - np.delete(pooled, list(c)).mean()) for c in combinations(range(7), 4)
    ]
    assert split_p(first, second) == pytest.approx(np.mean(np.array(apart) >= seen - 1e-12))
    assert np.isnan(split_p(rng.random(20), rng.random(20)))
    assert np.isnan(split_p(rng.random(0), rng.random(3)))
