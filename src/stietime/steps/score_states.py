"""Step `score-states`: score the marker sets in every kept cell, and call the states in their parents."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.blocks import read_genes
from stietime.cells.cell_types import cells_below
from stietime.cells.marker_sets import match_marker_sets, positions
from stietime.cells.states.calls import N_MATCHED, StateCall, call_state, matched_genes
from stietime.cells.states.evidence import EXAMPLE_COLUMNS, GENE_COLUMNS, describe_genes, example_cells
from stietime.cells.states.further_rules import EVERY_RULE, keep_the_likelier
from stietime.cells.states.nucleated import nucleated_evidence, require_nucleus, stage_coverage, stage_genes
from stietime.cells.states.rule_table import rule_table
from stietime.cells.states.rules import StateGenes, StateRule, describe_rule, informative_genes
from stietime.h5ad_parts import read_frame
from stietime.settings import States
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.cell_scores import Cohort, Task, correlate_with_depth, score_cells, survey, tasks

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stietime.cells.gene_sums import GeneSums

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


@dataclass
class _State:
    """A state on its way to being called; `note` says why it is not testable.

    `place` and `outside_place` are those of its parent, and of the cells outside it, among `_groups`; `own`
    and `totals` are the counts of its genes in the parent's cells.
    """

    rule: StateRule
    genes: StateGenes
    parent: Mask
    outside: Mask
    place: int = -1
    outside_place: int = -1
    stage_genes: tuple[str, ...] = ()
    note: str = ""
    matched: pd.DataFrame = field(default_factory=pd.DataFrame)
    own: sparse.csr_matrix | None = None
    totals: NDArray[np.float64] | None = None
    call: StateCall | None = None
    n_likelier: int = 0
    genes_shown: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def columns(self) -> pd.Index:
        """The genes that the call is made from."""
        drawn = self.matched.to_numpy().ravel()
        return pd.Index(dict.fromkeys([*self.genes.genes, *self.stage_genes, *drawn]), dtype=object)


def run(arguments: argparse.Namespace) -> None:
    """Score and call.

    Counts are read block by block, twice: for the scores and for how strongly genes are expressed in the
    parents, and for the genes that the calls need. No more than some blocks are in memory with all their
    genes.
    """
    settings: States = arguments.settings
    cohort = survey(arguments)
    sets = match_marker_sets(cohort.markers, cohort.genes)
    states = _new_states(cohort)
    scored = score_cells(cohort, sets, _groups(states), settings)
    _choose_random_genes(states, scored.sums, cohort, settings)
    _call(states, scored.sums, cohort, settings)
    table = scored.scores.rename(columns=names.score_column)
    n_scored = table.shape[1]
    table.insert(0, names.CELL, cohort.types.index.to_numpy(dtype=object))
    for name, called in _calls(states, len(table)).items():
        table[name] = called
    storage.write_table(table, arguments.output)
    calls = {state.rule.state: _rule_of(state, settings) for state in states}
    depth = correlate_with_depth(cohort, sets, scored)
    rules = rule_table(sets.coverage, settings.min_coverage, depth, calls, score_method=settings.score_method)
    tested = [state for state in states if state.call]
    shown = (
        _stack(tested, [state.genes_shown for state in tested], GENE_COLUMNS),
        _stack(tested, [state.examples for state in tested], EXAMPLE_COLUMNS),
    )
    for written, path in zip((rules, *shown), arguments.tables, strict=True):
        storage.write_table(written, path)
    log.info("%d cells, %d of %d sets scored", len(table), n_scored, len(sets.set_ids))
    for state in states:
        found = state.note if state.call is None else f"{state.call.called.sum()} called"
        log.info("%s: %s, of %d %s cells", state.rule.state, found, state.parent.sum(), state.rule.parent)


def _new_states(cohort: Cohort) -> list[_State]:
    parents = cohort.markers.groupby("set_id")["parent"].first()
    lineages, present = cohort.types[names.LINEAGE].to_numpy(dtype=object), frozenset(cohort.genes)
    return [
        _State(
            rule=rule,
            genes=informative_genes(rule, cohort.markers, present),
            parent=cells_below(rule.parent, cohort.kinds, parents, unresolved=rule.unresolved),
            outside=np.asarray((lineages != rule.parent) & (lineages != names.UNKNOWN)),
            stage_genes=tuple(stage_genes(cohort.genes)) if rule.nucleated else (),
        )
        for rule in EVERY_RULE
    ]


def _groups(states: list[_State]) -> list[Mask]:
    """List the cells whose counts are summed, each group once: parents, and what is outside of some."""
    groups: dict[bytes, Mask] = {}
    for state in states:
        groups.setdefault(state.parent.tobytes(), state.parent)
        state.place = list(groups).index(state.parent.tobytes())
        if state.rule.reference == "outside":
            groups.setdefault(state.outside.tobytes(), state.outside)
            state.outside_place = list(groups).index(state.outside.tobytes())
    return list(groups.values())


def _choose_random_genes(states: list[_State], sums: GeneSums, cohort: Cohort, settings: States) -> None:
    """Choose genes for the random sets of each state, or note why it cannot be called."""
    candidates = np.flatnonzero(~cohort.genes.isin(cohort.markers["gene"]))
    for state in states:
        state.note = _obstacle(state, settings, len(candidates))
        if not state.note:
            targets = positions(cohort.genes, state.genes.genes)
            drawn = matched_genes(sums.shares(state.place), targets, candidates)
            state.matched = pd.DataFrame(cohort.genes.to_numpy()[drawn], index=list(state.genes.genes))


def _obstacle(state: _State, settings: States, n_candidates: int) -> str:
    n_parent, n_outside = int(state.parent.sum()), int(state.outside.sum())
    if n_parent < settings.min_parent_cells:
        return f"not testable: {n_parent} {state.rule.parent} cells"
    if state.genes.coverage < settings.min_coverage or not state.genes.positive:
        return f"not testable: {state.genes.coverage:.0%} of the positive genes are in the data"
    if state.rule.reference == "outside" and n_outside < settings.min_parent_cells:
        return f"not testable: {n_outside} cells of other lineages to compare with"
    if state.rule.nucleated and stage_coverage(state.stage_genes) < settings.min_coverage:
        told = stage_coverage(state.stage_genes)
        return f"not testable: {told:.0%} of the genes that tell nucleated cells are in the data"
    if n_candidates < N_MATCHED:
        return f"not testable: {n_candidates} genes for random sets"
    return ""


def _call(states: list[_State], sums: GeneSums, cohort: Cohort, settings: States) -> None:
    """Read the genes of the states in each parent's cells, once for all its states, and call them."""
    parents: dict[int, list[_State]] = {}
    for state in states:
        if not state.note:
            parents.setdefault(state.place, []).append(state)
    if not parents:
        return
    together = list(parents.values())
    columns = [
        pd.Index(dict.fromkeys(g for s in of_one for g in s.columns), dtype=object) for of_one in together
    ]
    wanted = [positions(cohort.genes, of_parent) for of_parent in columns]
    cut = tasks(cohort, [of_one[0].parent for of_one in together])
    parts = list(cohort.over.map(partial(_genes_of_block, wanted), cut))
    environment = _environments(cohort)
    for of_one, genes, of_parent in zip(together, columns, zip(*parts, strict=True), strict=True):
        counts = sparse.csr_matrix(sparse.vstack([counts for counts, _ in of_parent], format="csr"))
        cell_totals = np.concatenate([cell_totals for _, cell_totals in of_parent])
        for state in of_one:
            own = sparse.csr_matrix(counts[:, positions(genes, state.columns)])
            _call_one(state, own, cell_totals, sums, cohort, settings)
        _settle(of_one)
        for state in of_one:
            _describe(state, environment, cohort)


def _call_one(
    state: _State,
    counts: sparse.csr_matrix,
    totals: NDArray[np.float64],
    sums: GeneSums,
    cohort: Cohort,
    settings: States,
) -> None:
    """Call one state from the counts of its columns in its parent's cells."""
    outside = state.rule.reference == "outside"
    state.call = call_state(
        counts,
        totals,
        state.columns,
        state.genes,
        state.matched,
        reference_shares=pd.Series(sums.shares(state.outside_place), index=cohort.genes) if outside else None,
        min_odds=state.rule.min_odds,
        fold_change=settings.fold_change,
        false_call_rate=settings.false_call_rate,
        false_discovery_rate=settings.false_discovery_rate,
        seed=settings.seed,
    )
    if state.rule.nucleated:
        state.call = require_nucleus(state.call, nucleated_evidence(counts, totals, state.columns))
    state.own = sparse.csr_matrix(counts[:, positions(state.columns, state.genes.genes)])
    state.totals = totals


def _settle(states: list[_State]) -> None:
    """Leave each cell the likelier of two states of one parent that exclude each other."""
    calls = {state.rule.state: state.call for state in states if state.call is not None}
    kept = keep_the_likelier(
        {name: call.called for name, call in calls.items()},
        {name: call.evidence for name, call in calls.items()},
    )
    for state in states:
        if state.call is not None:
            called = kept[state.rule.state]
            state.n_likelier = int(state.call.called.sum() - called.sum())
            state.call = replace(state.call, called=called)


def _describe(state: _State, environment: pd.Index, cohort: Cohort) -> None:
    """Make the tables of a state's genes and of example cells."""
    if state.call is None or state.own is None or state.totals is None:
        return
    where, cells = environment[state.parent], cohort.types.index[state.parent]
    state.genes_shown = describe_genes(state.own, state.totals, state.genes, state.call.called, where)
    state.examples = example_cells(cells, state.own, state.totals, state.genes, state.call, where)
    state.own = state.totals = None


def _environments(cohort: Cohort) -> pd.Index:
    """Environment of each kept cell, by the sample that its name begins with."""
    told = {
        cells.index[0].partition(":")[0]: str(cells[names.ENVIRONMENT].iloc[0])
        for path in cohort.columns
        if len(cells := read_frame(path, "obs", [names.ENVIRONMENT]))
    }
    return cohort.types.index.str.partition(":").get_level_values(0).map(told)


def _stack(states: list[_State], tables: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Put the tables of the states one under the other, each with the name of its state."""
    named = [table.assign(state=state.rule.state) for state, table in zip(states, tables, strict=True)]
    return pd.concat([pd.DataFrame(columns=list(columns)), *named], ignore_index=True)[list(columns)]


def _genes_of_block(
    wanted: list[NDArray[np.intp]], task: Task
) -> list[tuple[sparse.csr_matrix, NDArray[np.float64]]]:
    """Take, for each group of cells, the counts of its genes and the totals."""
    counts, cell_totals = read_genes(task.block, task.columns)
    return [
        (sparse.csr_matrix(counts[cells][:, genes], dtype=np.float64), cell_totals[cells])
        for genes, cells in zip(wanted, task.members, strict=True)
    ]


def _calls(states: list[_State], n_cells: int) -> dict[str, pd.Series]:
    """Make columns of evidence and calls for each state; of one that is not testable all values are missing.

    Evidence is there for the cells of the parent only.
    """
    evidence = {name: np.full(n_cells, np.nan, dtype=np.float32) for name in names.CALLED_STATES}
    found = {name: pd.array([pd.NA] * n_cells, dtype="boolean") for name in names.CALLED_STATES}
    for state in states:
        if state.call is not None:
            called = np.zeros(n_cells, dtype=bool)
            called[state.parent] = state.call.called
            found[state.rule.state] = pd.array(called, dtype="boolean")
            evidence[state.rule.state][state.parent] = state.call.evidence
    columns = {names.evidence_column(name): pd.Series(values) for name, values in evidence.items()}
    return columns | {names.call_column(name): pd.Series(column) for name, column in found.items()}


def _rule_of(state: _State, settings: States) -> dict[str, object]:
    rule = describe_rule(state.rule, state.genes, settings)
    facts = {"rule": rule, "n_parent": int(state.parent.sum()), "parent": state.rule.parent}
    if state.call is None:
        return facts | {"note": state.note}
    return facts | {
        "called": True,
        "threshold": round(state.call.threshold, 3),
        "threshold_without_gate": round(state.call.threshold_without_gate, 3),
        "n_called": int(state.call.called.sum()),
        "note": "; ".join(filter(None, [state.rule.limit, _likelier(state)])),
    }


def _likelier(state: _State) -> str:
    if not state.n_likelier:
        return ""
    return f"{state.n_likelier} cells that passed are likelier another state, which they are called instead"
