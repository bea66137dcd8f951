"""Section of the cohort's report on what the calls of states rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from stietime import names
from stietime.cells.states.rules import RULES
from stietime.figures.state_evidence import evidence_figure
from stietime.report import design
from stietime.report.blocks import Block, Box, Heading
from stietime.report.labels import STATE_NAMES, label, parent_label
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.sections.further_states import further_states
from stietime.report.tables import format_percent, format_two_digits, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stietime.report.results import Results

ARTEMIN = "artemin_axis"
RULE_OF = {rule.state: rule for rule in RULES}


@section("evidence", "States: what the calls rest on")
def evidence(results: Results) -> list[Block]:
    """For each called state its genes, the evidence of the cells, examples, and what would prove it wrong."""
    results.need(names.CELLS)
    columns = ["set_id", "parent", "called", "threshold", "n_parent", "n_called", "coverage", "note"]
    rules = results.table("state_rules", columns).set_index("set_id")
    genes = results.table("state_genes", ["state", "gene", names.ENVIRONMENT, "group"])
    examples = results.table("state_examples", ["state", names.CELL, "evidence", "genes"])
    blocks: list[Block] = []
    for state in names.STATES:
        rule = dict(rules.loc[state])
        blocks += [Heading(STATE_NAMES[state]), *_of_state(state, results, rule, genes, examples)]
    return [*blocks, *_artemin(results), *further_states(results, rules)]


def _of_state(
    state: str, results: Results, rule: Mapping[str, Any], genes: pd.DataFrame, examples: pd.DataFrame
) -> list[Block]:
    if not rule["called"]:
        return [Box("note", "Not called", (str(rule["note"]),))]
    shown = genes[genes["state"] == state]
    cells = _cells_of(state, results)
    threshold = float(rule["threshold"])
    strict = rule.get("threshold_without_gate")
    drawing = evidence_figure(
        _by_environment(shown), _by_environment(cells), threshold, None if pd.isna(strict) else float(strict)
    )
    facts = {
        "n": len(cells),
        "parent": parent_label(str(rule["parent"])),
        "coverage": float(rule["coverage"]),
        "threshold": threshold,
        "strict": threshold if pd.isna(strict) else float(strict),
        "missing": str(rule.get("genes_missing", "") or ""),
    }
    alt = f"Genes of {state} in called and other cells, and the evidence of {len(cells):,} cells."
    sources = (results.link("state_genes"), results.link("cells"))
    listed = examples[examples["state"] == state].drop(columns="state")
    told = RULE_OF[state]
    return [
        picture(drawing, alt, caption_text("state_evidence", **facts), sources),
        Box("note", "What would prove these calls wrong", (told.falsifier, f"Limit: {told.limit}.")),
        table(
            listed,
            caption_text("state_examples"),
            formats={"evidence": format_two_digits},
            sources=(results.link("state_examples"),),
            folded="Show example cells",
        ),
    ]


def _cells_of(state: str, results: Results) -> pd.DataFrame:
    """Give environment, evidence and call of the cells of a state's parent."""
    column, call = names.evidence_column(state), names.call_column(state)
    cells = results.table("cells", [names.CELL, names.ENVIRONMENT, column, call])
    cells = cells[cells[column].notna()].rename(columns={column: "evidence", call: "called"})
    return cells.assign(called=_is_called(cells["called"]))


def _is_called(column: pd.Series) -> pd.Series:
    """Take what is not testable as not called."""
    return column.astype("boolean").fillna(value=False).astype(bool)


def _by_environment(frame: pd.DataFrame) -> pd.DataFrame:
    order = list(design.environments(frame))
    return frame.sort_values(names.ENVIRONMENT, key=lambda column: column.map(order.index), kind="stable")


def _artemin(results: Results) -> list[Block]:
    """Show the score of the Artemin axis of Ter cells beside that of all lineages."""
    column, call = names.score_column(ARTEMIN), names.call_column("ter_cell")
    rules = results.table("state_rules", ["set_id", "coverage", "note"]).set_index("set_id")
    if str(rules["note"].get(ARTEMIN, "")).startswith("not scored"):
        return [Box("note", "Artemin axis", (str(rules["note"].get(ARTEMIN)),))]
    cells = results.table("cells", [names.CELL, names.ENVIRONMENT, names.LINEAGE, column, call])
    lineages = cells[names.LINEAGE].astype(str).map(label)
    cells["cells"] = lineages.where(~_is_called(cells[call]), "called Ter cells")
    groups = cells.groupby(["cells", names.ENVIRONMENT], observed=True)[column]
    frame = groups.agg(n="size", mean="mean", above_0=lambda values: (values > 0).mean()).reset_index()
    frame = frame.sort_values("mean", ascending=False)
    caption = caption_text("artemin", coverage=float(rules["coverage"].astype(float)[ARTEMIN]))
    headers = {"mean": "mean score", "above_0": "share of cells that show a gene"}
    return [
        table(
            frame,
            caption,
            headers=headers,
            formats={"above_0": format_percent},
            sources=(results.link("cells"),),
            folded="Show the Artemin axis beside the Ter cells",
        )
    ]
