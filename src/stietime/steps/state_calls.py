"""The states of a cohort on their way to being called: their cells, their random genes, their calls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names
from stietime.blocks import read_genes
from stietime.cells.cell_types import cells_below
from stietime.cells.marker_sets import positions
from stietime.cells.states.calls import N_MATCHED, StateCall, call_state, evidence_only, matched_genes
from stietime.cells.states.evidence import describe_genes, example_cells
from stietime.cells.states.further_rules import EVERY_RULE, keep_the_likelier
from stietime.cells.states.nucleated import nucleated_evidence, require_nucleus, stage_coverage, stage_genes
from stietime.cells.states.rules import StateGenes, StateRule, informative_genes
from stietime.h5ad_parts import read_frame
from stietime.steps.cell_scores import Cohort, Task, tasks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cells.gene_sums import GeneSums
    from stietime.settings import States

    Mask = NDArray[np.bool_]


@dataclass
class CalledState:
    """A state on its way to being called.

    `note` says why it is not testable, `uncalled` why there is evidence only.
    `place` and `outside_place` are those of its parent, and of the cells outside it, among `groups_of`; `own`
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
    uncalled: str = ""
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


def new_states(cohort: Cohort) -> list[CalledState]:
    """Find the genes and the cells of every state."""
    parents = cohort.markers.groupby("set_id")["parent"].first()
    lineages, present = cohort.types[names.LINEAGE].to_numpy(dtype=object), frozenset(cohort.genes)
    return [
        CalledState(
            rule=rule,
            genes=informative_genes(rule, cohort.markers, present),
            parent=cells_below(rule.parent, cohort.kinds, parents, unresolved=rule.unresolved),
            outside=np.asarray((lineages != rule.parent) & (lineages != names.UNKNOWN)),
            stage_genes=tuple(stage_genes(cohort.genes)) if rule.nucleated else (),
        )
        for rule in EVERY_RULE
    ]


def groups_of(states: list[CalledState]) -> list[Mask]:
    """List the cells whose counts are summed, each group once: parents, and what is outside of some."""
    groups: dict[bytes, Mask] = {}
    for state in states:
        groups.setdefault(state.parent.tobytes(), state.parent)
        state.place = list(groups).index(state.parent.tobytes())
        if state.rule.reference == "outside":
            groups.setdefault(state.outside.tobytes(), state.outside)
            state.outside_place = list(groups).index(state.outside.tobytes())
    return list(groups.values())


def choose_random_genes(states: list[CalledState], sums: GeneSums, cohort: Cohort, settings: States) -> None:
    """Choose genes for the random sets of each state, or note why it cannot be called.

    A state that is compared with outside cells needs none.
    """
    candidates = np.flatnonzero(~cohort.genes.isin(cohort.markers["gene"]))
    for state in states:
        state.note = _obstacle(state, settings)
        if state.note or state.rule.reference == "outside":
            continue
        if len(candidates) < N_MATCHED:
            few = f"{len(candidates)} genes for random sets, {N_MATCHED} are needed"
            state.uncalled = f"not testable: {few}; the evidence ranks cells without a threshold"
        else:
            targets = positions(cohort.genes, state.genes.genes)
            drawn = matched_genes(sums.shares(state.place), targets, candidates)
            state.matched = pd.DataFrame(cohort.genes.to_numpy()[drawn], index=list(state.genes.genes))


def _obstacle(state: CalledState, settings: States) -> str:
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
    return ""


def call_states(states: list[CalledState], sums: GeneSums, cohort: Cohort, settings: States) -> None:
    """Read the genes of the states in each parent's cells, once for all its states, and call them.

    Parameters
    ----------
    states
        The states, with their random genes or the reason why they are not testable; they get their calls.
    sums
        Counts summed over `groups_of` the states.
    cohort, settings
        As in `score_cells`.
    """
    parents: dict[int, list[CalledState]] = {}
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
    state: CalledState,
    counts: sparse.csr_matrix,
    totals: NDArray[np.float64],
    sums: GeneSums,
    cohort: Cohort,
    settings: States,
) -> None:
    """Call one state from the counts of its columns in its parent's cells."""
    state.own = sparse.csr_matrix(counts[:, positions(state.columns, state.genes.genes)])
    state.totals = totals
    if state.uncalled:
        genes, fold_change = pd.Index(state.genes.genes), settings.fold_change
        state.call = evidence_only(state.own, totals, genes, state.genes, fold_change=fold_change)
        return
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


def _settle(states: list[CalledState]) -> None:
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


def _describe(state: CalledState, environment: pd.Index, cohort: Cohort) -> None:
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


def _genes_of_block(
    wanted: list[NDArray[np.intp]], task: Task
) -> list[tuple[sparse.csr_matrix, NDArray[np.float64]]]:
    """Take, for each group of cells, the counts of its genes and the totals."""
    counts, cell_totals = read_genes(task.block, task.columns)
    return [
        (sparse.csr_matrix(counts[cells][:, genes], dtype=np.float64), cell_totals[cells])
        for genes, cells in zip(wanted, task.members, strict=True)
    ]
