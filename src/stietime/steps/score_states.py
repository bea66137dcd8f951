"""Step `score-states`: score the marker sets in every kept cell, and call the states in their parents."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.blocks import Block, Blocks, plan_blocks, read_genes
from stietime.cells.gene_sums import GeneSums, sum_groups
from stietime.cells.marker_sets import MarkerSets, match_marker_sets, positions, shared_genes
from stietime.cells.states.calls import N_MATCHED, StateCall, call_state, matched_genes
from stietime.cells.states.rule_table import rule_table
from stietime.cells.states.rules import (
    RULES,
    StateGenes,
    StateRule,
    describe_rule,
    find_parent_cells,
    informative_genes,
)
from stietime.cells.states.signatures import capped_max_rank, combine_directions, score_signatures
from stietime.errors import InputError
from stietime.resources import read_markers
from stietime.settings import Compute, States
from stietime.steps.annotate import pair_kept, species_of
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.collect_cells import read_part

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

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
    add_path(parser, "--rules", "how each set was scored and called (tsv)")


class _Cohort(NamedTuple):
    """What all samples share: types of the kept cells in order, genes that every sample has.

    `columns` are the places of these genes in each file, `markers` the marker table.
    """

    over: Blocks
    columns: dict[Path, NDArray[np.intp]]
    types: pd.DataFrame
    genes: pd.Index
    smallest_panel: int
    markers: pd.DataFrame


class _Task(NamedTuple):
    """A block to be computed on: the places of the shared genes, and groups x wanted cells."""

    block: Block
    columns: NDArray[np.intp]
    members: Mask


@dataclass
class _State:
    """A state on its way to being called; `note` says why it is not testable."""

    rule: StateRule
    genes: StateGenes
    parent: Mask
    outside: Mask
    note: str = ""
    matched: pd.DataFrame = field(default_factory=pd.DataFrame)
    call: StateCall | None = None

    @property
    def columns(self) -> pd.Index:
        """The genes that the call is made from."""
        return pd.Index(dict.fromkeys([*self.genes.genes, *self.matched.to_numpy().ravel()]), dtype=object)


def run(arguments: argparse.Namespace) -> None:
    """Score and call.

    Counts are read block by block, twice: for the scores and for how strongly genes are expressed in the
    parents, and for the genes that the calls need. No more than some blocks are in memory with all their
    genes.
    """
    settings: States = arguments.settings
    cohort = _survey(arguments)
    sets = match_marker_sets(cohort.markers, cohort.genes)
    states = _new_states(cohort)
    table, sums = _score(cohort, sets, states, settings)
    _choose_random_genes(states, sums, cohort, settings)
    _call(states, sums, cohort, settings)
    n_scored = table.shape[1]
    table.insert(0, names.CELL, cohort.types.index.to_numpy(dtype=object))
    for name, called in _calls(states, len(table)).items():
        table[name] = called
    storage.write_table(table, arguments.output)
    calls = {state.rule.state: _rule_of(state, settings) for state in states}
    storage.write_table(rule_table(sets.coverage, settings.min_coverage, calls), arguments.rules)
    log.info("%d cells, %d of %d sets scored", len(table), n_scored, len(sets.set_ids))
    for state in states:
        found = state.note if state.call is None else f"{state.call.called.sum()} called"
        log.info("%s: %s, of %d %s cells", state.rule.state, found, state.parent.sum(), state.rule.parent)


def _survey(arguments: argparse.Namespace) -> _Cohort:
    pairs, _ = pair_kept(arguments.counts, arguments.quality)
    panels = {counts: read_part(counts, "var", []).index for counts, _ in pairs}
    genes = shared_genes(panels.values())
    sizes = [len(panel) for panel in panels.values()]
    if len(genes) < max(sizes):
        log.warning(
            "%d genes are in every sample, of up to %d; the others are not used", len(genes), max(sizes)
        )
    species = species_of([read_part(counts, "obs", ["species"]) for counts, _ in pairs], "--counts")
    compute: Compute = arguments.compute
    blocks = plan_blocks(pairs, max_gib=compute.block_gib)
    over = Blocks(blocks, compute.dask_scheduler, arguments.threads)
    columns = {path: positions(panel, genes) for path, panel in panels.items()}
    types = _types_of([quality for _, quality in pairs], arguments.cell_types)
    return _Cohort(over, columns, types, genes, min(sizes), read_markers(species))


def _types_of(quality: list[Path], path: Path) -> pd.DataFrame:
    """Read the types of the kept cells, in the order of samples and cells.

    Raises
    ------
    InputError
        The cell types are not of the kept cells.
    """
    columns = [names.CELL, names.LINEAGE, names.CELL_TYPE]
    types = storage.read_table(path, columns)[columns].set_index(names.CELL)
    table = storage.stack_tables(quality, [names.CELL, names.KEEP])
    kept = pd.Index(table.loc[table[names.KEEP], names.CELL])
    missing, fix = kept.difference(types.index), "delete the cell types and run again"
    if len(missing):
        what = f"{len(missing)} kept cells have no cell type, such as {missing[0]}"
        raise InputError(what, path, fix)
    if len(kept) != len(types):
        what = f"{len(types)} cells have a type, {len(kept)} are kept"
        raise InputError(what, path, fix)
    return types.reindex(kept)


def _new_states(cohort: _Cohort) -> list[_State]:
    parents = cohort.markers.groupby("set_id")["parent"].first()
    lineages, kinds = (cohort.types[name].to_numpy(dtype=object) for name in (names.LINEAGE, names.CELL_TYPE))
    return [
        _State(
            rule=rule,
            genes=informative_genes(rule, cohort.markers, cohort.genes),
            parent=find_parent_cells(rule, lineages, kinds, parents),
            outside=np.asarray((lineages != rule.parent) & (lineages != names.UNKNOWN)),
        )
        for rule in RULES
    ]


def _tasks(cohort: _Cohort, groups: list[Mask]) -> list[_Task]:
    """Cut groups of cells as the counts are cut."""
    over = cohort.over
    return [
        _Task(block, cohort.columns[block.path], members)
        for block, members in zip(over.blocks, over.split(np.stack(groups)), strict=True)
    ]


def _score(
    cohort: _Cohort, sets: MarkerSets, states: list[_State], settings: States
) -> tuple[pd.DataFrame, GeneSums]:
    """Score every cell, and sum the counts of each state's parent and, behind them, of the cells outside."""
    max_rank = capped_max_rank(settings.max_rank, cohort.smallest_panel)
    score = partial(_score_block, cohort.genes, sets, max_rank, settings.min_coverage)
    groups = [*(state.parent for state in states), *(state.outside for state in states)]
    found = cohort.over.map(score, _tasks(cohort, groups))
    scores, sums = next(found)
    frames = [scores]
    for scores, more in found:
        frames.append(scores)
        sums = sums.add(more)
    return pd.concat(frames, ignore_index=True), sums


def _score_block(
    genes: pd.Index, sets: MarkerSets, max_rank: int, min_coverage: float, task: _Task
) -> tuple[pd.DataFrame, GeneSums]:
    counts, cell_totals = read_genes(task.block, task.columns)
    parts = score_signatures(counts, genes, sets, max_rank=max_rank, min_coverage=min_coverage)
    scores = combine_directions(*parts).rename(columns=names.score_column)
    return scores, sum_groups(counts, cell_totals, task.members)


def _choose_random_genes(states: list[_State], sums: GeneSums, cohort: _Cohort, settings: States) -> None:
    """Choose genes for the random sets of each state, or note why it cannot be called."""
    candidates = np.flatnonzero(~cohort.genes.isin(cohort.markers["gene"]))
    for place, state in enumerate(states):
        state.note = _obstacle(state, settings, len(candidates))
        if not state.note:
            targets = positions(cohort.genes, state.genes.genes)
            drawn = matched_genes(sums.shares(place), targets, candidates)
            state.matched = pd.DataFrame(cohort.genes.to_numpy()[drawn], index=list(state.genes.genes))


def _obstacle(state: _State, settings: States, n_candidates: int) -> str:
    n_parent, n_outside = int(state.parent.sum()), int(state.outside.sum())
    if n_parent < settings.min_parent_cells:
        return f"not testable: {n_parent} {state.rule.parent} cells"
    if state.genes.coverage < settings.min_coverage or not state.genes.positive:
        return f"not testable: {state.genes.coverage:.0%} of the positive genes are in the data"
    if state.rule.reference == "outside" and n_outside < settings.min_parent_cells:
        return f"not testable: {n_outside} cells of other lineages to compare with"
    if n_candidates < N_MATCHED:
        return f"not testable: {n_candidates} genes for random sets"
    return ""


def _call(states: list[_State], sums: GeneSums, cohort: _Cohort, settings: States) -> None:
    """Read the genes of each state in its parent cells, and call it."""
    testable = [(place, state) for place, state in enumerate(states) if not state.note]
    if not testable:
        return
    wanted = [positions(cohort.genes, state.columns) for _, state in testable]
    tasks = _tasks(cohort, [state.parent for _, state in testable])
    parts = list(cohort.over.map(partial(_genes_of_block, wanted), tasks))
    for (place, state), of_state in zip(testable, zip(*parts, strict=True), strict=True):
        outside = pd.Series(sums.shares(len(states) + place), index=cohort.genes)
        state.call = call_state(
            sparse.csr_matrix(sparse.vstack([counts for counts, _ in of_state], format="csr")),
            np.concatenate([cell_totals for _, cell_totals in of_state]),
            state.columns,
            state.genes,
            state.matched,
            reference_shares=outside if state.rule.reference == "outside" else None,
            min_odds=state.rule.min_odds,
            fold_change=settings.fold_change,
            false_call_rate=settings.false_call_rate,
            seed=settings.seed,
        )


def _genes_of_block(
    wanted: list[NDArray[np.intp]], task: _Task
) -> list[tuple[sparse.csr_matrix, NDArray[np.float64]]]:
    """Take, for each group of cells, the counts of its genes and the totals."""
    counts, cell_totals = read_genes(task.block, task.columns)
    return [
        (sparse.csr_matrix(counts[cells][:, genes], dtype=np.float64), cell_totals[cells])
        for genes, cells in zip(wanted, task.members, strict=True)
    ]


def _calls(states: list[_State], n_cells: int) -> dict[str, pd.api.extensions.ExtensionArray]:
    """Make a column of calls for each state; of one that is not testable every value is missing."""
    found = {name: pd.array([pd.NA] * n_cells, dtype="boolean") for name in names.STATES}
    for state in states:
        if state.call is not None:
            called = np.zeros(n_cells, dtype=bool)
            called[state.parent] = state.call.called
            found[state.rule.state] = pd.array(called, dtype="boolean")
    return {names.call_column(name): column for name, column in found.items()}


def _rule_of(state: _State, settings: States) -> dict[str, object]:
    rule = describe_rule(state.rule, state.genes, settings.fold_change, settings.false_call_rate)
    facts = {"rule": rule, "n_parent": int(state.parent.sum()), "parent": state.rule.parent}
    if state.call is None:
        return facts | {"note": state.note}
    return facts | {
        "called": True,
        "threshold": round(state.call.threshold, 3),
        "n_called": int(state.call.called.sum()),
        "note": state.rule.limit,
    }
