"""Section of the cohort's report on what can be answered: contrasts, patients, confounding, power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names
from stietime.report import labels
from stietime.report.blocks import Block, section
from stietime.report.pictures import caption_text
from stietime.report.tables import format_number, table

if TYPE_CHECKING:
    from stietime.report.results import Results

FRACTIONS = "cell_fraction"
ANSWERS = {"tested": "good", "nothing can be concluded": "bad", "not testable": "untested"}
COLUMNS = ("contrast", "kind", "estimate", "p", "n_patients", "n_pairs", "note")
NO_SAMPLES = "no samples for both sides"


@section("questions", "What this cohort can answer")
def questions(results: Results) -> list[Block]:
    """List every contrast with its patients, what it is confounded with, and what it could have found."""
    results.need(names.CELLS)
    every = results.table("contrasts", COLUMNS)
    found = [_question(str(name), rows) for name, rows in every.groupby("contrast", sort=False)]
    named = set(every["contrast"])
    found += [
        {"question": text, "answer": "not testable", "why": NO_SAMPLES}
        for name, text in labels.CONTRAST_NAMES.items()
        if name not in named
    ]
    if not found:
        return []
    shown = pd.DataFrame(found)
    spreads = shown["spread"].dropna() if "spread" in shown else pd.Series(dtype=float)
    caption = caption_text(
        "questions",
        n=len(shown),
        tested=int((shown["answer"] == "tested").sum()),
        min_pairs=results.settings.comparison.min_pairs,
        spread=format_number(float(spreads.median())) if len(spreads) else "",
    )
    listed = table(
        shown.drop(columns="spread", errors="ignore"),
        caption,
        headers={"effect": "smallest effect seen (log-odds)", "fold": "as a fold change of the odds"},
        tones={"answer": lambda answer: ANSWERS.get(answer, "")},
        sources=(results.link("contrasts"),),
    )
    return [listed]


def _question(name: str, rows: pd.DataFrame) -> dict[str, object]:
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
    pairs = int(rows["n_pairs"].max())
    sides = [int(rows[column].max()) for column in ("n_first", "n_second") if column in rows]
    return {
        "question": labels.contrast_label(name),
        "answer": answer,
        "patients": int(rows["n_patients"].max()),
        "compared": f"{pairs} pairs" if pairs else " against ".join(map(str, sides)) or "groups",
        "tested": f"{int(tested.sum())} of {len(rows)}",
        **_power(fractions),
        "why": why,
    }


def _power(fractions: pd.DataFrame) -> dict[str, float]:
    """Give the effect that half of the fractions could have shown, and the spread between patients."""
    if "detectable" not in fractions or fractions["detectable"].isna().all():
        return {"effect": np.nan, "fold": np.nan, "spread": np.nan}
    effect = float(fractions["detectable"].median())
    paired = fractions["n_pairs"] > 0
    spread = float((fractions["se"] * np.sqrt(fractions["n_pairs"]))[paired].median())
    return {"effect": effect, "fold": float(np.exp(effect)), "spread": spread}
