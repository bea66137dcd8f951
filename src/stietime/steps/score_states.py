"""Step `score-states`: score the marker sets in every kept cell, and call the states in their parents."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.blocks import Block, plan_blocks, read_block
from stietime.cells.calls import N_MATCHED, StateCall, call_state, matched_genes
from stietime.cells.marker_sets import MarkerSets, match_marker_sets, positions
from stietime.cells.rule_table import rule_table
from stietime.cells.signatures import capped_max_rank, combine_directions, score_signatures
from stietime.cells.state_rules import (
    RULES,
    StateGenes,
    StateRule,
    describe_rule,
    find_parent_cells,
    informative_genes,
)
from stietime.errors import InputError
from stietime.resources import read_markers
from stietime.settings import States
from stietime.steps.annotate import pair_kept, species_of
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.collect_cells import read_part

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
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
    """What all samples share: types of the kept cells in order, genes that every sample has."""

    blocks: list[Block]
    panels: dict[Path, pd.Index]
    types: pd.DataFrame
    genes: pd.Index
    smallest_panel: int
    markers: pd.DataFrame
    parents: pd.Series


class _Cells(NamedTuple):
    """The kept cells of one block, genes as in the cohort; totals are over all genes of the file."""

    counts: sparse.csr_matrix
    totals: NDArray[np.float64]
    types: pd.DataFrame


@dataclass
class _Sums:
    """Counts of each gene, and of all genes, over some cells."""

    counts: NDArray[np.float64]
    total: float = 0.0
    n_cells: int = 0

    def add(self, cells: _Cells, chosen: Mask) -> None:
        """Add the chosen cells of a block."""
        self.counts += np.asarray(cells.counts[chosen].sum(axis=0), dtype=np.float64).ravel()
        self.total += float(cells.totals[chosen].sum())
        self.n_cells += int(chosen.sum())

    def shares(self) -> NDArray[np.float64]:
        """Share of each gene in the RNA of the cells."""
        return self.counts / max(self.total, 1.0)


@dataclass
class _State:
    """A state on its way to being called; `note` says why it is not testable."""

    rule: StateRule
    genes: StateGenes
    parent: _Sums
    outside: _Sums
    note: str = ""
    matched: pd.DataFrame = field(default_factory=pd.DataFrame)
    cells: pd.Index = field(default_factory=lambda: pd.Index([], dtype=object))
    call: StateCall | None = None


def run(arguments: argparse.Namespace) -> None:
    """Score and call.

    Counts are read block by block, twice: for the scores and for how strongly genes are expressed in the
    parents, and for the genes that the calls need. No more than one block is in memory with all its genes.
    """
    settings: States = arguments.settings
    cohort = _survey(arguments)
    sets = match_marker_sets(cohort.markers, cohort.genes)
    states = [_new_state(rule, cohort) for rule in RULES]
    scores = _score(cohort, sets, states, settings)
    _choose_random_genes(states, cohort, settings)
    _call(states, cohort, settings)
    table = _add_calls(scores, states)
    storage.write_table(table, arguments.output)
    calls = {state.rule.state: _rule_of(state, settings) for state in states}
    storage.write_table(rule_table(sets.coverage, settings.min_coverage, calls), arguments.rules)
    log.info("%d cells, %d of %d sets scored", len(table), scores.shape[1] - 1, len(sets.set_ids))
    for state in states:
        found = state.note if state.call is None else f"{state.call.called.sum()} called"
        log.info("%s: %s, of %d %s cells", state.rule.state, found, state.parent.n_cells, state.rule.parent)


def _survey(arguments: argparse.Namespace) -> _Cohort:
    pairs, _ = pair_kept(arguments.counts, arguments.quality)
    panels = {counts: read_part(counts, "var", []).index for counts, _ in pairs}
    genes, *others = panels.values()
    for panel in others:
        genes = genes if genes.equals(panel) else genes[genes.isin(panel)]
    sizes = [len(panel) for panel in panels.values()]
    if len(genes) < max(sizes):
        log.warning(
            "%d genes are in every sample, of up to %d; the others are not used", len(genes), max(sizes)
        )
    species = species_of([read_part(counts, "obs", ["species"]) for counts, _ in pairs], "--counts")
    blocks = plan_blocks(pairs, max_gib=arguments.compute.block_gib)
    types = _types_of([quality for _, quality in pairs], arguments.cell_types)
    markers = read_markers(species)
    parents = markers.groupby("set_id")["parent"].first()
    return _Cohort(blocks, panels, types, genes, min(sizes), markers, parents)


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


def _new_state(rule: StateRule, cohort: _Cohort) -> _State:
    genes = informative_genes(rule, cohort.markers, cohort.genes)
    return _State(rule, genes, _Sums(np.zeros(len(cohort.genes))), _Sums(np.zeros(len(cohort.genes))))


def _read(cohort: _Cohort) -> Iterator[_Cells]:
    """Read one block after the other."""
    start = 0
    for block in cohort.blocks:
        counts = read_block(block)
        columns = positions(cohort.panels[block.path], cohort.genes)
        whole = np.array_equal(columns, np.arange(counts.shape[1]))
        shared = counts if whole else sparse.csr_matrix(counts[:, columns])
        types = cohort.types.iloc[start : start + block.n_cells]
        start += block.n_cells
        yield _Cells(shared, np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), types)


def _score(cohort: _Cohort, sets: MarkerSets, states: list[_State], settings: States) -> pd.DataFrame:
    """Score every cell, and sum the counts of each state's parent and of the cells outside."""
    max_rank = capped_max_rank(settings.max_rank, cohort.smallest_panel)
    frames = []
    for cells in _read(cohort):
        parts = score_signatures(
            cells.counts, cohort.genes, sets, max_rank=max_rank, min_coverage=settings.min_coverage
        )
        scores = combine_directions(*parts).rename(columns=names.score_column)
        scores.insert(0, names.CELL, cells.types.index.to_numpy(dtype=object))
        frames.append(scores)
        for state in states:
            state.parent.add(cells, _in_parent(state.rule, cells, cohort))
            state.outside.add(cells, _outside(state.rule, cells))
    return pd.concat(frames, ignore_index=True)


def _in_parent(rule: StateRule, cells: _Cells, cohort: _Cohort) -> Mask:
    lineages, kinds = (cells.types[name].to_numpy(dtype=object) for name in (names.LINEAGE, names.CELL_TYPE))
    return find_parent_cells(rule, lineages, kinds, cohort.parents)


def _outside(rule: StateRule, cells: _Cells) -> Mask:
    lineage = cells.types[names.LINEAGE].to_numpy(dtype=object)
    return np.asarray((lineage != rule.parent) & (lineage != names.UNKNOWN))


def _choose_random_genes(states: list[_State], cohort: _Cohort, settings: States) -> None:
    """Choose genes for the random sets of each state, or note why it cannot be called."""
    candidates = np.flatnonzero(~cohort.genes.isin(cohort.markers["gene"]))
    for state in states:
        state.note = _obstacle(state, settings, len(candidates))
        if not state.note:
            targets = positions(cohort.genes, state.genes.genes)
            drawn = matched_genes(state.parent.shares(), targets, candidates)
            state.matched = pd.DataFrame(cohort.genes.to_numpy()[drawn], index=list(state.genes.genes))


def _obstacle(state: _State, settings: States, n_candidates: int) -> str:
    if state.parent.n_cells < settings.min_parent_cells:
        return f"not testable: {state.parent.n_cells} {state.rule.parent} cells"
    if state.genes.coverage < settings.min_coverage or not state.genes.positive:
        return f"not testable: {state.genes.coverage:.0%} of the positive genes are in the data"
    if state.rule.reference == "outside" and state.outside.n_cells < settings.min_parent_cells:
        return f"not testable: {state.outside.n_cells} cells of other lineages to compare with"
    if n_candidates < N_MATCHED:
        return f"not testable: {n_candidates} genes for random sets"
    return ""


def _call(states: list[_State], cohort: _Cohort, settings: States) -> None:
    """Read the genes of each state in its parent cells, and call it."""
    testable = [state for state in states if not state.note]
    columns = {s.rule.state: _columns(s) for s in testable}
    counts: dict[str, list[sparse.csr_matrix]] = {state: [] for state in columns}
    totals: dict[str, list[NDArray[np.float64]]] = {state: [] for state in columns}
    parents: dict[str, list[pd.Index]] = {state: [] for state in columns}
    for cells in _read(cohort) if testable else ():
        for state in testable:
            name, chosen = state.rule.state, np.flatnonzero(_in_parent(state.rule, cells, cohort))
            where = positions(cohort.genes, columns[name])
            counts[name].append(sparse.csr_matrix(cells.counts[chosen][:, where], dtype=np.float64))
            totals[name].append(cells.totals[chosen])
            parents[name].append(cells.types.index[chosen])
    for state in testable:
        name = state.rule.state
        outside = pd.Series(state.outside.shares(), index=cohort.genes)
        state.cells = pd.Index(np.concatenate(parents[name]), dtype=object)
        state.call = call_state(
            sparse.csr_matrix(sparse.vstack(counts[name], format="csr")),
            np.concatenate(totals[name]),
            columns[name],
            state.genes,
            state.matched,
            reference_shares=outside if state.rule.reference == "outside" else None,
            min_odds=state.rule.min_odds,
            fold_change=settings.fold_change,
            false_call_rate=settings.false_call_rate,
            seed=settings.seed,
        )


def _columns(state: _State) -> pd.Index:
    return pd.Index(dict.fromkeys([*state.genes.genes, *state.matched.to_numpy().ravel()]), dtype=object)


def _add_calls(scores: pd.DataFrame, states: list[_State]) -> pd.DataFrame:
    """Add a column of calls for each state; of one that is not testable every value is missing."""
    table = scores.copy()
    for name in names.STATES:
        table[names.call_column(name)] = pd.array([pd.NA] * len(table), dtype="boolean")
    for state in states:
        if state.call is not None:
            called = state.cells[state.call.called]
            table[names.call_column(state.rule.state)] = table[names.CELL].isin(called).astype("boolean")
    return table


def _rule_of(state: _State, settings: States) -> dict[str, object]:
    rule = describe_rule(state.rule, state.genes, settings.fold_change, settings.false_call_rate)
    facts = {"rule": rule, "n_parent": state.parent.n_cells, "parent": state.rule.parent}
    if state.call is None:
        return facts | {"note": state.note}
    return facts | {
        "called": True,
        "threshold": round(state.call.threshold, 3),
        "n_called": int(state.call.called.sum()),
        "note": state.rule.limit,
    }
