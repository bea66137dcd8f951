"""Step `score-states`: score the marker sets in every kept cell, and call the states in their parents."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.cells.marker_sets import match_marker_sets
from stietime.cells.states.evidence import EXAMPLE_COLUMNS, GENE_COLUMNS
from stietime.cells.states.rule_table import rule_table
from stietime.cells.states.rules import describe_rule
from stietime.settings import States
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.cell_scores import correlate_with_depth, score_cells, survey
from stietime.steps.state_calls import CalledState, call_states, choose_random_genes, groups_of, new_states

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--counts", "counts of every sample (h5ad)")
    add_paths(parser, "--quality", "quality of every sample, in the same order (parquet)")
    add_path(parser, "--cell-types", "cell types of the kept cells (parquet)")
    add_settings(parser, States)
    add_compute(parser)
    add_path(parser, "--output", "scores and calls of the kept cells (parquet)")
    text = "how each set was scored and called; the genes of each state by call; example cells (tsv)"
    metavar = ("RULES", "GENES", "EXAMPLES")
    parser.add_argument("--tables", type=Path, nargs=3, required=True, metavar=metavar, help=text)


def run(arguments: argparse.Namespace) -> None:
    """Score and call.

    Counts are read block by block, twice: for the scores and for how strongly genes are expressed in the
    parents, and for the genes that the calls need. No more than some blocks are in memory with all their
    genes.
    """
    settings: States = arguments.settings
    cohort = survey(arguments)
    sets = match_marker_sets(cohort.markers, cohort.genes)
    states = new_states(cohort)
    scored = score_cells(cohort, sets, groups_of(states), settings)
    choose_random_genes(states, scored.sums, cohort, settings)
    call_states(states, scored.sums, cohort, settings)
    table = scored.scores.rename(columns=names.score_column)
    n_scored = table.shape[1]
    table.insert(0, names.CELL, cohort.types.index.to_numpy(dtype=object))
    for name, called in call_columns(states, len(table)).items():
        table[name] = called
    storage.write_table(table, arguments.output)
    calls = {state.rule.state: rule_facts(state, settings) for state in states}
    depth = correlate_with_depth(cohort, sets, scored)
    rules = rule_table(sets.coverage, settings.min_coverage, depth, calls, score_method=settings.score_method)
    tested = [state for state in states if state.call and not state.uncalled]
    shown = (
        _stack(tested, [state.genes_shown for state in tested], GENE_COLUMNS),
        _stack(tested, [state.examples for state in tested], EXAMPLE_COLUMNS),
    )
    for written, path in zip((rules, *shown), arguments.tables, strict=True):
        storage.write_table(written, path)
    log.info("%d cells, %d of %d sets scored", len(table), n_scored, len(sets.set_ids))
    for state in states:
        found = state.note or state.uncalled
        if state.call and not found:
            found = f"{state.call.called.sum()} called"
        log.info("%s: %s, of %d %s cells", state.rule.state, found, state.parent.sum(), state.rule.parent)


def _stack(states: list[CalledState], tables: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Put the tables of the states one under the other, each with the name of its state."""
    named = [table.assign(state=state.rule.state) for state, table in zip(states, tables, strict=True)]
    return pd.concat([pd.DataFrame(columns=list(columns)), *named], ignore_index=True)[list(columns)]


def call_columns(states: list[CalledState], n_cells: int) -> dict[str, pd.Series]:
    """Make columns of evidence and calls for each state; of one that is not testable all values are missing.

    Evidence is there for the cells of the parent only.
    """
    evidence = {name: np.full(n_cells, np.nan, dtype=np.float32) for name in names.CALLED_STATES}
    found = {name: pd.array([pd.NA] * n_cells, dtype="boolean") for name in names.CALLED_STATES}
    for state in states:
        if state.call is not None:
            called = np.zeros(n_cells, dtype=bool)
            called[state.parent] = state.call.called
            if not state.uncalled:
                found[state.rule.state] = pd.array(called, dtype="boolean")
            evidence[state.rule.state][state.parent] = state.call.evidence
    columns = {names.evidence_column(name): pd.Series(values) for name, values in evidence.items()}
    return columns | {names.call_column(name): pd.Series(column) for name, column in found.items()}


def rule_facts(state: CalledState, settings: States) -> dict[str, object]:
    """Say by which rule a state was called, and how many cells were; or why it was not."""
    rule = describe_rule(state.rule, state.genes, settings)
    facts = {"rule": rule, "n_parent": int(state.parent.sum()), "parent": state.rule.parent}
    if state.call is None or state.uncalled:
        return facts | {"note": state.note or state.uncalled}
    return facts | {
        "called": True,
        "threshold": round(state.call.threshold, 3),
        "threshold_without_gate": round(state.call.threshold_without_gate, 3),
        "n_called": int(state.call.called.sum()),
        "note": "; ".join(filter(None, [state.rule.limit, _likelier(state)])),
    }


def _likelier(state: CalledState) -> str:
    if not state.n_likelier:
        return ""
    return f"{state.n_likelier} cells that passed are likelier another state, which they are called instead"
