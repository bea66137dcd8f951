"""The further states of the cohort's report: one block for all of them, and the sets that are only scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from stietime import names
from stietime.cells.states.further_rules import FURTHER_RULES, SCORED_ONLY
from stietime.report import design
from stietime.report.blocks import Block, Heading
from stietime.report.labels import label, parent_label
from stietime.report.pictures import caption_text
from stietime.report.tables import format_percent, format_two_digits, table

if TYPE_CHECKING:
    from stietime.report.results import Results

STAGES: Final = (
    "tex_s1_quiescent_resident",
    "tex_s2_proliferative_circulating",
    "tex_s3_circulating_cytotoxic",
    "tex_s4_terminal_resident",
)
OF_CD8: Final = ("tpex_tcf7", "texp", "tex_term")


def further_states(results: Results, rules: pd.DataFrame) -> list[Block]:
    """Show how many cells are called as each further state, its limits, and what is scored and not called.

    Parameters
    ----------
    results
        The results of a run.
    rules
        `state_rules.tsv`, by set.

    Returns
    -------
    Nothing for results in which no further state was tried.
    """
    tried = [rule for rule in FURTHER_RULES if rule.state in rules.index]
    if not tried:
        return []
    shares = _shares(results)
    rows = []
    for rule in tried:
        found = rules.loc[rule.state]
        called = bool(found["called"])
        row: dict[str, Any] = {"state": label(rule.state), "among": parent_label(rule.parent)}
        row |= {"cells called": found["n_called"] if called else None, "of parent cells": found["n_parent"]}
        row |= {f"median, {where}": shares.get((rule.state, where), float("nan")) for where in _where(shares)}
        note = rule.limit if called else "" if pd.isna(found["note"]) else str(found["note"])
        rows.append(row | {"threshold": found["threshold"], "coverage": found["coverage"], "limit": note})
    frame = pd.DataFrame(rows)
    medians = [f"median, {where}" for where in _where(shares)]
    formats = dict.fromkeys((*medians, "coverage"), format_percent)
    wrong = pd.DataFrame([{"state": label(r.state), "falsified by": r.falsifier} for r in tried])
    scored = pd.DataFrame(
        [{"set": label(name), "why": why} for name, why in SCORED_ONLY.items() if name in rules.index]
    )
    sources = (results.link("state_rules"), results.link("composition"))
    blocks: list[Block] = [
        Heading("Further states"),
        table(frame, caption_text("further_states", n=len(frame)), formats=formats, sources=sources),
        table(wrong, "What would prove these calls wrong.", folded="Show what would prove these calls wrong"),
        *_stages(results, rules),
    ]
    if len(scored):
        caption = caption_text("scored_only", n=len(scored))
        blocks.append(table(scored, caption, folded=f"Show {len(scored)} sets that are scored, not called"))
    return blocks


def _shares(results: Results) -> dict[tuple[str, str], float]:
    """Give the median fraction over samples by state and environment, environments in their usual order."""
    table_of = results.table("composition", [names.SAMPLE, "entity", "level", "fraction"])
    sheet = results.samples[[names.SAMPLE, names.ENVIRONMENT]]
    own = table_of[table_of["level"] == "state"][[names.SAMPLE, "entity", "fraction"]]
    joined = own.merge(sheet, on=names.SAMPLE)
    where = joined[names.ENVIRONMENT].astype(str)
    return {
        (str(state), place): float(part.loc[where[part.index] == place, "fraction"].astype(float).median())
        for state, part in joined.groupby("entity")
        for place in design.environments(joined)
    }


def _where(shares: dict[tuple[str, str], float]) -> list[str]:
    return list(dict.fromkeys(where for _, where in shares))


def _stages(results: Results, rules: pd.DataFrame) -> list[Block]:
    """Show the mean score of each stage of exhaustion in CD8+ T cells by their call."""
    if "tex_term" not in rules.index or not bool(rules.loc["tex_term", "called"]):
        return []
    scored = [name for name in STAGES if not str(rules["note"].get(name, "not scored")).startswith("not")]
    columns = [names.score_column(name) for name in scored]
    calls = [names.call_column(state) for state in OF_CD8]
    cells = results.table("cells", [names.CELL, names.CELL_TYPE, *columns, *calls])
    cells = cells[cells[names.CELL_TYPE].astype(str) == "cd8_t"]
    group = pd.Series("other CD8+ T cells", index=cells.index)
    for state, call in zip(OF_CD8, calls, strict=True):
        group = group.mask(cells[call].astype("boolean").fillna(value=False).astype(bool), label(state))
    means = cells[columns].astype(float).groupby(group).mean()
    means.columns = [label(name) for name in scored]
    means.insert(0, "cells", group.value_counts())
    formats = dict.fromkeys(means.columns[1:], format_two_digits)
    frame = means.rename_axis("called").reset_index()
    caption = caption_text("exhaustion_stages", n=len(cells))
    return [table(frame, caption, formats=formats, folded="Show the four stages of exhaustion by call")]
