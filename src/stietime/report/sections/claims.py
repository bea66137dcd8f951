"""The claims of the reviews: counts of verdicts, every claim with its evidence, and those that conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from stietime import names
from stietime.figures.contrasts import verdict_bars
from stietime.report import labels
from stietime.report.blocks import Block, Box, Text, Tiles
from stietime.report.contrast_labels import arm_names, contrast_label, contrast_sides
from stietime.report.evidence_plots import Effect, evidence_svg, evidence_words
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import format_number, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stietime.report.results import Results

VERDICT_TONES = {
    names.SUPPORTED: "good",
    names.EQUIVALENT: "equal",
    names.CONTRADICTED: "bad",
    names.INCONCLUSIVE: "mid",
    names.NOT_TESTABLE: "untested",
}
DIRECTIONS = {"up": "higher", "down": "lower", "unchanged": "unchanged", "na": "no sign given"}
UNITS = {
    "cell_fraction": "difference in log-odds",
    "gated_fraction": "difference in log-odds",
    "signature": "difference in mean score",
    "gene_expression": "log2 fold change",
}
CLAIM_COLUMNS = (
    *("claim_id", "verdict", "estimate", "ci_low", "ci_high", "p", "q", "n_patients", "reason"),
    *("entity_as_printed", "direction", "context", "compartment", "cancer", "design"),
)
KEYS = ("contrast", "kind", "entity")
Values = dict[tuple[str, str, str], pd.DataFrame]


@section("claims", "Claims of the reviews, weighed")
def claims(results: Results) -> list[Block]:
    """Count the claims per verdict, and list every claim with its reason and its evidence."""
    results.need(names.CELLS)
    every = results.table("claims", CLAIM_COLUMNS)
    numbers = every["verdict"].value_counts()
    tiles = Tiles(tuple((str(int(numbers.get(verdict, 0))), verdict, "") for verdict in names.VERDICTS))
    groups = every["context"].map(labels.CONTEXT_NAMES).fillna(every["context"]) + ", " + every["compartment"]
    counts = pd.crosstab(groups, every["verdict"]).reindex(columns=list(names.VERDICTS), fill_value=0)
    counts = counts.loc[list(dict.fromkeys(groups))]
    caption = caption_text("claims", n=len(every), alpha=results.settings.comparison.alpha)
    alt = "Number of claims per verdict by treatment and compartment: " + ", ".join(
        f"{int(numbers.get(verdict, 0))} {verdict}" for verdict in names.VERDICTS
    )
    bars = picture(verdict_bars(counts), alt, caption, (results.link("claims"),))
    return [tiles, *_of_other_cancers(every), bars, _claims_table(every, results)]


def _of_other_cancers(every: pd.DataFrame) -> Iterator[Block]:
    """Warn where claims about one cancer were weighed in another, which has to be asked for."""
    told = _texts(every, "other_cancer")
    n = int((told != "").sum())
    if n:
        where = ", ".join(sorted(set(told) - {""}))
        line = (
            f"{n} claims about other cancers were weighed in {where}, as the settings ask; their rows say so."
        )
        yield Box("warning", "Claims of other cancers", (line,))


def _claims_table(every: pd.DataFrame, results: Results) -> Block:
    order = {verdict: place for place, verdict in enumerate(names.VERDICTS)}
    every = every.sort_values("verdict", key=lambda verdicts: verdicts.map(order), kind="stable")
    shown = pd.DataFrame(
        {
            "verdict": every["verdict"],
            "what the review says": _said(every),
            "estimate": every["estimate"],
            "q": every["q"],
            "patients": every["n_patients"],
            "power": _numbers(every, "power"),
            "reason": _reason(every),
            "where": every["compartment"],
            "treatment": every["context"].map(labels.CONTEXT_NAMES).fillna(every["context"]),
            "cancer": every["cancer"].str.replace("_", " "),
            "kind": _texts(every, "kind").replace("", None),
            "compared": every["design"].str.replace("_", " "),
            "not testable for": _texts(every, "why").replace("", None),
            "interval from": every["ci_low"],
            "to": every["ci_high"],
            "p": every["p"],
            "claim": every["claim_id"],
        }
    )
    drawn = _drawings(every, results)
    return table(
        shown,
        caption_text("claims_table", n=len(shown), drawn=sum(map(bool, drawn))),
        tones={"verdict": lambda verdict: VERDICT_TONES.get(verdict, "")},
        filters=("verdict", "where", "treatment", "cancer", "kind", "not testable for"),
        searchable=True,
        more={"what the review says": drawn},
        sources=(results.link("claims"),),
    )


def _said(every: pd.DataFrame) -> pd.Series:
    return every["entity_as_printed"] + ": " + every["direction"].map(DIRECTIONS).fillna("")


def _texts(every: pd.DataFrame, column: str) -> pd.Series:
    empty = pd.Series("", index=every.index, dtype=object)
    return every[column].fillna("").astype(str) if column in every.columns else empty


def _numbers(every: pd.DataFrame, column: str) -> pd.Series:
    missing = pd.Series(float("nan"), index=every.index)
    return every[column].astype(float) if column in every.columns else missing


def _reason(every: pd.DataFrame) -> pd.Series:
    """Join the reason with what else is told of a claim."""
    return (every["reason"].fillna("").astype(str) + ": " + _texts(every, "detail")).str.removesuffix(": ")


def _drawings(every: pd.DataFrame, results: Results) -> list[str]:
    """Draw the evidence on every claim that was weighed; nothing for the others."""
    values = _values(every, results)
    rows = [{str(key): value for key, value in row.items()} for row in every.to_dict("records")]
    return [_drawing(row, values) for row in rows]


def _values(every: pd.DataFrame, results: Results) -> Values:
    if "contrast" not in every.columns or not results.has("patient_values"):
        return {}
    table_of = results.table("patient_values", [*KEYS, "patient", "arm", "natural"])
    tested = (_texts(every, column) for column in ("contrast", "kind_tested", "entity_tested"))
    wanted = set(zip(*tested, strict=True))
    grouped = table_of.groupby(list(KEYS), sort=False)
    return {key: part for key, part in grouped if key in wanted}  # type: ignore[misc]


def _drawing(row: dict[str, Any], values: Values) -> str:
    kind = str(row.get("kind_tested", ""))
    if row["verdict"] == names.NOT_TESTABLE or kind not in UNITS or row["ci_low"] != row["ci_low"]:
        return ""
    contrast, entity = str(row["contrast"]), str(row["entity_tested"])
    part = values.get((contrast, kind, entity), pd.DataFrame())
    effect = Effect(
        float(row["estimate"]),
        float(row["ci_low"]),
        float(row["ci_high"]),
        float(row["equivalence_margin"]),
        expected=str(row.get("expected", "")),
        unit=UNITS[kind],
        sides=contrast_sides(contrast),
    )
    name = labels.short_label(entity) if kind != "gene_expression" else f"{entity}, log2 counts per million"
    drawn = evidence_svg(
        part,
        effect,
        kind=kind,
        arms=arm_names(contrast),
        what=name,
        paired=bool(row.get("n_pairs", 0)),
    )
    notes = [f"{contrast_label(contrast)}."]
    return f"{drawn}<p>{evidence_words(row, UNITS[kind], notes)}</p>"


@section("conflicts", "Where the reviews contradict each other")
def conflicts(results: Results) -> list[Block]:
    """Set claims of opposite signs side by side with what the data say."""
    results.need(names.CELLS)
    every = results.table("claims", CLAIM_COLUMNS)
    every = every[_texts(every, "conflict_group") != ""]
    if every.empty:
        return [Text("No two claims of this table contradict each other.")]
    rows = [_conflict(part) for _, part in every.groupby("conflict_group", sort=False)]
    order = {"not testable": 1}
    rows.sort(key=lambda row: order.get(row["the data"].partition(":")[0], 0))
    caption = caption_text("conflicts", n=len(rows), n_claims=len(every))
    return [table(pd.DataFrame(rows), caption, searchable=True, sources=(results.link("claims"),))]


def _conflict(part: pd.DataFrame) -> dict[str, str]:
    first = part.iloc[0]
    where = f"{first['compartment']}, {labels.CONTEXT_NAMES.get(first['context'], first['context'])}"
    what, design = labels.label(str(first["entity_id"])), str(first["design"]).replace("_", " ")
    row = {"question": f"{what} in {where}, {design}", "the data": _answer(part)}
    for direction in ("up", "down", "unchanged"):
        says = part[part["direction"] == direction]
        row[f"said: {DIRECTIONS[direction]}"] = "; ".join(
            f"{claim['entity_as_printed']} ({str(claim['cancer']).replace('_', ' ')}, {claim['claim_id']}): "
            f"{claim['verdict']}"
            for claim in says.to_dict("records")
        )
    return row


def _answer(part: pd.DataFrame) -> str:
    """Say what was found, once for each contrast that answers."""
    weighed = part[part["verdict"] != names.NOT_TESTABLE]
    if weighed.empty:
        reasons = ", ".join(dict.fromkeys(part["reason"].astype(str)))
        return f"{names.NOT_TESTABLE}: {reasons}"
    told = []
    for row in weighed.drop_duplicates(["contrast", "entity_tested"]).to_dict("records"):
        numbers = " to ".join(format_number(row[name]) for name in ("ci_low", "ci_high"))
        left, right = contrast_sides(str(row["contrast"]))
        side = right if row["estimate"] > 0 else left
        told.append(
            f"{side}: {UNITS.get(str(row['kind_tested']), 'estimate')} {format_number(row['estimate'])} "
            f"({numbers}), q {format_number(row['q'])}, {int(row['n_patients'])} patients"
        )
    return "; ".join(told)
