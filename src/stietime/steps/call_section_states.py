"""Call the reviews' states among the cells of one tissue section, as far as its panel tells them."""

from __future__ import annotations

import argparse
import logging

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.cells.marker_sets import match_marker_sets
from stietime.cells.states.further_rules import EVERY_RULE
from stietime.cells.states.rule_table import rule_table
from stietime.h5ad_parts import read_frame
from stietime.settings import States
from stietime.steps.arguments import add_compute, add_path, add_settings
from stietime.steps.cell_scores import correlate_with_depth, score_cells, survey
from stietime.steps.score_states import call_columns, rule_facts
from stietime.steps.state_calls import call_states, choose_random_genes, groups_of, new_states

LOG = logging.getLogger(__name__)
RULE_COLUMNS = (
    *("set_id", "parent", "called", "rule", "threshold", "threshold_without_gate", "n_parent", "n_called"),
    *("coverage", "negative_coverage", "genes_missing", "depth_correlation", "note"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of the section (h5ad)")
    add_path(parser, "--quality", "quality of the section (parquet)")
    add_path(parser, "--cell-types", "cell types of the section (parquet)")
    add_settings(parser, States)
    add_compute(parser)
    add_path(parser, "--output", "scores, evidence and calls of the section's cells to write (parquet)")
    add_path(parser, "--rules", "how each state was called, or why it is not testable, to write (TSV)")


def run(arguments: argparse.Namespace) -> None:
    """Call the states by the rules of `score-states`; a cell that is not kept has no call."""
    cells = read_frame(arguments.counts, "obs", []).index
    keep = storage.read_table(arguments.quality, [names.CELL, names.KEEP])
    genes = read_frame(arguments.counts, "var", []).index
    why = "the section has no genes" if genes.empty else "" if keep[names.KEEP].any() else "no cell is kept"
    states, rules = (_untestable(why, cells[:0]), _no_rules(why)) if why else _called(arguments)
    every = storage.cell_table(pd.Index(cells.astype(object)))
    storage.write_table(every.merge(states, on=names.CELL, how="left"), arguments.output)
    storage.write_table(rules, arguments.rules)
    for row in rules.to_dict("records"):
        told = f"{row['n_called']} called of {row['n_parent']}" if row["called"] else row["note"]
        LOG.info("%s: %s", row["set_id"], told)


def _called(arguments: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    settings: States = arguments.settings
    one = {"counts": [arguments.counts], "quality": [arguments.quality]}
    cohort = survey(argparse.Namespace(**{**vars(arguments), **one}), of_kept=False)
    wanted = [rule.state for rule in EVERY_RULE]
    sets = match_marker_sets(cohort.markers[cohort.markers["set_id"].isin(wanted)], cohort.genes)
    states = new_states(cohort)
    scored = score_cells(cohort, sets, groups_of(states), settings)
    choose_random_genes(states, scored.sums, cohort, settings)
    call_states(states, scored.sums, cohort, settings)
    table = scored.scores.rename(columns=names.score_column)
    table.insert(0, names.CELL, cohort.types.index.to_numpy(dtype=object))
    for name, column in call_columns(states, len(table)).items():
        table[name] = column
    facts = {state.rule.state: rule_facts(state, settings) for state in states}
    depth = correlate_with_depth(cohort, sets, scored)
    how = settings.score_method
    return table, rule_table(sets.coverage, settings.min_coverage, depth, facts, score_method=how)


def _untestable(why: str, nobody: pd.Index) -> pd.DataFrame:
    """Give the columns of a section in which nothing can be called, without a row."""
    LOG.warning("no state is testable: %s", why)
    evidence = {names.evidence_column(state): np.empty(0, np.float32) for state in names.CALLED_STATES}
    calls = {names.call_column(state): pd.array([], dtype="boolean") for state in names.CALLED_STATES}
    return storage.cell_table(nobody.astype(object), **evidence, **calls)


def _no_rules(why: str) -> pd.DataFrame:
    rows = [
        {"set_id": rule.state, "parent": rule.parent, "called": False, "note": f"not testable: {why}"}
        for rule in EVERY_RULE
    ]
    return pd.DataFrame(rows).reindex(columns=list(RULE_COLUMNS))
