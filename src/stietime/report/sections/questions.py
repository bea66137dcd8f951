"""Section of the cohort's report on what can be answered: contrasts, patients, confounding, power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.design.questions import PRIOR_SPREAD, list_questions
from stietime.cohort.design.samples import name_cohort, sample_table
from stietime.cohort.design.treatment import SHEET_COLUMNS, name_treatment
from stietime.report import design
from stietime.report.contrast_labels import contrast_label
from stietime.report.pictures import caption_text
from stietime.report.section_makers import section
from stietime.report.tables import format_number, table

if TYPE_CHECKING:
    from stietime.report.blocks import Block
    from stietime.report.results import Results

FRACTIONS = "cell_fraction"
ANSWERS = {"tested": "good", "nothing can be concluded": "bad", "not testable": "untested"}
COLUMNS = ("contrast", "kind", "estimate", "p", "n_patients", "n_pairs", "note")
NOT_MADE = "no sample is left on one side"
PRIOR = f"other cohorts ({PRIOR_SPREAD:g} log-odds)"


@section("questions", "What this cohort can answer")
def questions(results: Results) -> list[Block]:
    """List every contrast with its patients, what it is confounded with, and what it could have found."""
    results.need(names.CELLS)
    every = results.table("contrasts", COLUMNS)
    asked = _asked(results)
    found = [_question(str(name), rows, asked) for name, rows in every.groupby("contrast", sort=False)]
    named = set(every["contrast"])
    found += [
        {
            "question": contrast_label(str(name)),
            "answer": "not testable",
            "patients": row["n_patients"],
            **_planned(row),
            "why": row["missing"] or NOT_MADE,
        }
        for name, row in asked.iterrows()
        if name not in named
    ]
    shown = pd.DataFrame(found)
    shown.insert(2, "why", shown.pop("why"))
    spreads = shown["spread"].dropna() if "spread" in shown else pd.Series(dtype=float)
    caption = caption_text(
        "questions",
        n=len(shown),
        tested=int((shown["answer"] == "tested").sum()),
        min_pairs=results.settings.comparison.min_pairs,
        prior=PRIOR_SPREAD,
        spread=format_number(float(spreads.median())) if len(spreads) else "",
    )
    listed = table(
        shown.drop(columns="spread", errors="ignore"),
        caption,
        headers={
            "effect": "smallest effect that could be seen (log-odds)",
            "fold": "as a fold change of the odds",
            "spread_from": "spread taken from",
            "why": "why not",
        },
        tones={"answer": lambda answer: ANSWERS.get(answer, "")},
        sources=(results.link("contrasts"),),
    )
    return [listed]


def _asked(results: Results) -> pd.DataFrame:
    """List the contrasts that the sheet could hold, without its excluded samples; contrasts as index."""
    settings, rows = results.settings.comparison, results.rows(names.CELLS)
    if results.has("samples"):
        verdicts = design.sample_table(results).set_index(names.SAMPLE)["verdict"]
        rows = rows[~rows[names.SAMPLE].isin(verdicts.index[verdicts == names.EXCLUDED])]
    named = name_cohort(
        sample_table(rows),
        cancer_names=settings.cancer_names,
        treatment_names=settings.treatment_names,
        donor_names=settings.donor_names,
    )
    further = [column for column in SHEET_COLUMNS if column in rows.columns]
    described = name_treatment(
        named.join(rows.set_index(names.SAMPLE)[further]),
        responders=settings.responder_names,
        non_responders=settings.non_responder_names,
        dose_limits=settings.dose_limits_gy,
    )
    moments = {"before": settings.before, "after": settings.after}
    return list_questions(described, **moments, min_pairs=settings.min_pairs).set_index("contrast")


def _planned(row: pd.Series) -> dict[str, object]:
    """Give the effect that could be seen by the prior spread, where there are no data to judge by."""
    effect = float(row["planned_effect"])
    return {"effect": effect, "fold": float(np.exp(effect)), "spread_from": PRIOR}


def _question(name: str, rows: pd.DataFrame, asked: pd.DataFrame) -> dict[str, object]:
    """Sum a contrast up in one line."""
    fractions = rows[rows["kind"] == FRACTIONS]
    tested = rows["p"].notna()
    confounded = rows["confounded"].dropna() if "confounded" in rows else pd.Series(dtype=object)
    reasons = rows.loc[~tested, "note"].dropna().astype(str)
    if tested.any():
        answer, why = "tested", ""
    else:
        answer, why = "not testable", reasons.mode().iloc[0] if len(reasons) else ""
    if len(confounded):
        answer, why = "nothing can be concluded", str(confounded.iloc[0])
    power = _power(fractions)
    if answer == "not testable" and name in asked.index:
        row = asked.loc[[name]].iloc[0]
        why = str(row["missing"]) or why
        power |= _planned(row)
    pairs = int(rows["n_pairs"].max())
    sides = [int(rows[column].max()) for column in ("n_first", "n_second") if column in rows]
    return {
        "question": contrast_label(name),
        "answer": answer,
        "patients": int(rows["n_patients"].max()),
        "compared": f"{pairs} pairs" if pairs else " against ".join(map(str, sides)) or "groups",
        "tested": f"{int(tested.sum())} of {len(rows)}",
        **power,
        "why": why,
    }


def _power(fractions: pd.DataFrame) -> dict[str, object]:
    """Give the effect that half of the fractions could have shown, and the spread between patients."""
    if "detectable" not in fractions or fractions["detectable"].isna().all():
        return {"effect": np.nan, "fold": np.nan, "spread_from": "", "spread": np.nan}
    effect = float(fractions["detectable"].median())
    paired = fractions["n_pairs"] > 0
    spread = float((fractions["se"] * np.sqrt(fractions["n_pairs"]))[paired].median())
    return {
        "effect": effect,
        "fold": float(np.exp(effect)),
        "spread_from": "these patients",
        "spread": spread,
    }
