"""The contrasts of several cohorts, combined where they measure the same on the same scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from stietime.cohort.meta_analysis.random_effects import (
    NORMAL,
    RandomEffects,
    combine,
    sampling_variances,
)
from stietime.cohort.testing.contrasts import CONFOUNDED, TESTED
from stietime.cohort.testing.effects import false_discovery_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stietime.cohort.meta_analysis.questions import Cohort, Question

# what became of an entity of a question
COMBINED: Final = "combined"
ONE_COHORT: Final = "one cohort"
NOT_TESTABLE: Final = "not testable"
# why a row of a cohort does not enter, beside its own status
MEASURED_OTHERWISE: Final = "measured otherwise"
NO_ROW: Final = "no such row"

METHOD: Final = "random effects (Paule-Mandel), Hartung-Knapp t with k - 1 df, never narrower than normal"
ENTITY: Final = ["contrast", "kind", "entity"]
OWN: Final = (
    "estimate",
    "se",
    "df",
    "ci_low",
    "ci_high",
    "p",
    "q",
    "n_patients",
    "n_pairs",
    "status",
    "note",
)
COHORT_COLUMNS: Final = (
    *ENTITY,
    "cohort",
    "use",
    "weight",
    "why_left_out",
    "contrast_of_cohort",
    *OWN,
    "method",
    "parent",
    "basis",
)
HETEROGENEITY: Final = (
    *("tau2", "tau2_low", "tau2_high", "i2", "i2_low", "i2_high", "q_heterogeneity", "p_heterogeneity"),
    *("prediction_low", "prediction_high"),
)
COLUMNS: Final = (
    *(*ENTITY, "n_cohorts", "n_patients", "estimate", "ci_low", "ci_high", "p", "q"),
    *(*HETEROGENEITY, "method", "status", "note"),
    *("se", "df", "se_normal", "n_up", "n_left_out", "n_confounded"),
    *("common_estimate", "common_se", "common_low", "common_high", "common_p", "common_q"),
    *("n_pairs", "cohorts", "parent", "design", "environment", "cancer", "treatment"),
)


def gather_rows(
    cohorts: Sequence[Cohort], questions: Sequence[Question], *, with_confounded: bool = False
) -> pd.DataFrame:
    """Set the rows of all cohorts side by side, and say which may be combined.

    A row enters when its cohort tested it, its arms are not confounded, and it is measured as in most of the
    cohorts that tested it: among the same parent, on the same scale, with the same arms.

    Parameters
    ----------
    cohorts
        The cohorts.
    questions
        As `find_questions` lists them.
    with_confounded
        Whether rows of confounded contrasts enter too.

    Returns
    -------
    One row per question, kind, entity and cohort that has it, with `COHORT_COLUMNS`; `use` and `weight` are
    still empty, `why_left_out` is empty for rows that enter.
    """
    by_name = {cohort.name: cohort for cohort in cohorts}
    parts = [
        _of_member(by_name[name], question, contrast)
        for question in questions
        for name, contrast in question.members.items()
    ]
    if not parts:
        return pd.DataFrame(columns=list(COHORT_COLUMNS))
    rows = pd.concat(parts, ignore_index=True)
    enters = (rows["status"] == TESTED) | (with_confounded & (rows["status"] == CONFOUNDED))
    enters &= (rows["se"] > 0) & rows["df"].notna()
    rows["why_left_out"] = rows["status"].where(~enters, "").replace(TESTED, "no standard error")
    otherwise = enters & (rows["basis"] != _most_frequent_basis(rows, enters))
    rows["why_left_out"] = rows["why_left_out"].mask(otherwise, MEASURED_OTHERWISE)
    return rows.assign(use="", weight=np.nan)[list(COHORT_COLUMNS)]


def _of_member(cohort: Cohort, question: Question, contrast: str) -> pd.DataFrame:
    rows = cohort.contrasts[cohort.contrasts["contrast"] == contrast]
    told = rows.assign(parent=rows["parent"].fillna("").astype(str), note=rows["note"].fillna("").astype(str))
    scale = told["kind"].map(dict(cohort.scales)).fillna("")
    basis = told["parent"] + "|" + scale + "|" + cohort.definitions.get(contrast, "")
    columns = [*ENTITY[1:], *OWN, "method", "parent"]
    return told[columns].assign(
        contrast=question.name, contrast_of_cohort=contrast, cohort=cohort.name, basis=basis
    )


def _most_frequent_basis(rows: pd.DataFrame, enters: pd.Series) -> pd.Series:
    """Give each row the basis that most of the rows that enter share, the first where several do."""
    counts = rows[enters].groupby([*ENTITY, "basis"], sort=False).size().rename("n").reset_index()
    first = counts.sort_values("n", ascending=False, kind="stable").drop_duplicates(ENTITY)
    chosen = rows[ENTITY].merge(first, on=ENTITY, how="left")["basis"]
    return chosen.set_axis(rows.index)


def combine_rows(rows: pd.DataFrame, questions: Sequence[Question]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Combine the rows of the cohorts by random effects, entity by entity.

    Parameters
    ----------
    rows
        As `gather_rows` gives it.
    questions
        As `find_questions` lists them.

    Returns
    -------
    The combined contrasts with `COLUMNS`, one row per question, kind and entity, and the rows with their
    `use` and `weight`. q is Benjamini and Hochberg's within contrast and kind, over what was combined. What
    one cohort alone can tell is given as that cohort gave it, with the status `one cohort`.
    """
    if rows.empty:
        return pd.DataFrame(columns=list(COLUMNS)), rows
    table = rows.drop_duplicates(ENTITY)[ENTITY].reset_index(drop=True)
    names = list(dict.fromkeys(rows["cohort"]))
    place = (
        rows[ENTITY]
        .merge(table.reset_index(names="place"), on=ENTITY, how="left")["place"]
        .to_numpy(dtype=int)
    )
    cohort = rows["cohort"].map({name: number for number, name in enumerate(names)}).to_numpy(dtype=int)
    enters = (rows["why_left_out"] == "").to_numpy()
    y, v = np.full((2, len(names), len(table)), np.nan)
    at = cohort[enters], place[enters]
    y[at] = rows["estimate"].to_numpy(dtype=float)[enters]
    own = rows[["se", "df"]].to_numpy(dtype=float)[enters]
    v[at] = sampling_variances(own[:, 0], own[:, 1])
    found = combine(y, v)
    table = pd.concat([table, _numbers(found)], axis=1)
    entered = rows[enters].assign(_place=place[enters])
    alone = entered[(found.n_cohorts == 1)[place[enters]]]
    _pass_through(table, alone.set_index("_place"))
    table = _with_counts(table, entered, rows.assign(_place=place), questions)
    weight = np.full(len(rows), np.nan)
    weight[enters] = found.weights[at]
    use = np.where(enters, np.where(found.n_cohorts[place] > 1, COMBINED, ONE_COHORT), "left out")
    return table[list(COLUMNS)], rows.assign(use=use, weight=weight)


def _numbers(found: RandomEffects) -> pd.DataFrame:
    half = NORMAL * found.common_se
    columns = {
        name: getattr(found, name)
        for name in (*HETEROGENEITY, "estimate", "se", "df", "se_normal", "ci_low", "ci_high", "p")
    }
    columns |= {
        name: getattr(found, name) for name in ("n_cohorts", "common_estimate", "common_se", "common_p")
    }
    status = np.select([found.n_cohorts > 1, found.n_cohorts == 1], [COMBINED, ONE_COHORT], NOT_TESTABLE)
    common = {"common_low": found.common_estimate - half, "common_high": found.common_estimate + half}
    return pd.DataFrame(
        columns | common | {"status": status, "method": np.where(found.n_cohorts > 1, METHOD, "")}
    )


def _pass_through(table: pd.DataFrame, alone: pd.DataFrame) -> None:
    """Fill in the numbers of entities that one cohort tested, as it gave them."""
    for column in ("estimate", "se", "df", "ci_low", "ci_high", "p", "method"):
        table.loc[alone.index, column] = alone[column]


def _with_counts(
    table: pd.DataFrame, entered: pd.DataFrame, rows: pd.DataFrame, questions: Sequence[Question]
) -> pd.DataFrame:
    """Add q, what the rows rest on, and what was left out of them and why."""
    asked = pd.DataFrame([vars(question) for question in questions]).set_index("name")
    table = table.join(asked[["design", "environment", "cancer", "treatment"]], on="contrast")
    of = entered.groupby("_place")
    sums = pd.DataFrame(
        {
            "n_patients": of["n_patients"].sum(),
            "n_pairs": of["n_pairs"].sum(),
            "n_up": of["estimate"].agg(lambda values: int((values > 0).sum())),
            "n_confounded": of["status"].agg(lambda values: int((values == CONFOUNDED).sum())),
        }
    )
    table = table.join(sums.reindex(table.index, fill_value=0).astype(int))
    table["cohorts"] = of["cohort"].agg(", ".join).reindex(table.index, fill_value="")
    parent = pd.concat([entered, rows]).drop_duplicates("_place").set_index("_place")["parent"]
    table["parent"] = parent.reindex(table.index)
    left_out = _left_out(table, rows, {question.name: list(question.members) for question in questions})
    table["n_left_out"] = [len(of_row) for of_row in left_out]
    table["note"] = [_note(row, told) for row, told in zip(table.to_dict("records"), left_out, strict=True)]
    several = table["status"] == COMBINED
    for q, p in (("q", "p"), ("common_q", "common_p")):
        within = table[p].where(several).groupby([table["contrast"], table["kind"]], sort=False)
        table[q] = within.transform(lambda values: false_discovery_rates(values.to_numpy(dtype=float)))
    own = entered.drop_duplicates("_place").set_index("_place")["q"].reindex(table.index)
    table["q"] = table["q"].where(table["status"] != ONE_COHORT, own)
    return table


def _left_out(table: pd.DataFrame, rows: pd.DataFrame, members: dict[str, list[str]]) -> list[dict[str, str]]:
    """Give for each entity the cohorts that do not enter, with the reason."""
    reasons: list[dict[str, str]] = [dict.fromkeys(members[name], NO_ROW) for name in table["contrast"]]
    for place, cohort, why in zip(rows["_place"], rows["cohort"], rows["why_left_out"], strict=True):
        if why:
            reasons[place][cohort] = why
        else:
            del reasons[place][cohort]
    return reasons


def _note(row: dict[Any, Any], left_out: dict[str, str]) -> str:
    parts = []
    if row["status"] == ONE_COHORT:
        parts.append(f"{row['cohorts']} alone, not combined")
    if left_out:
        parts.append("left out: " + ", ".join(f"{cohort} ({why})" for cohort, why in left_out.items()))
    if row["n_confounded"]:
        n = row["n_confounded"]
        parts.append(f"{n} confounded cohort{'' if n == 1 else 's'} entered as asked")
    return "; ".join(parts)
