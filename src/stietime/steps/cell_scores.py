"""What every cell scores for every set, read block by block; and what all samples of a cohort share."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.blocks import Block, Blocks, plan_blocks, read_genes
from stietime.cells.cell_types import Kinds, cells_below, kinds_of
from stietime.cells.gene_sums import GeneSums, sum_groups
from stietime.cells.marker_sets import MarkerSets, positions, shared_genes
from stietime.cells.normalisation import log_normalise
from stietime.cells.scores.depth_confounding import depth_correlations
from stietime.cells.scores.signatures import MEAN_DIFFERENCE, Method, control_weights, score_signatures
from stietime.cells.scores.ucell import capped_max_rank
from stietime.errors import InputError
from stietime.h5ad_parts import read_frame
from stietime.inputs.gene_sets import add_gene_sets
from stietime.resources import read_markers
from stietime.settings import Compute, States, expand_path
from stietime.steps.kept_cells import pair_kept, species_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)


class Cohort(NamedTuple):
    """What all samples share: types of the kept cells in order, genes that every sample has.

    `kinds` are the cells by lineage and type, `columns` the places of these genes in each file, `markers` the
    marker table.
    """

    over: Blocks
    columns: dict[Path, NDArray[np.intp]]
    types: pd.DataFrame
    kinds: Kinds
    genes: pd.Index
    smallest_panel: int
    markers: pd.DataFrame


class Task(NamedTuple):
    """A block to be computed on: the places of the shared genes, and groups x wanted cells."""

    block: Block
    columns: NDArray[np.intp]
    members: Mask


class Scored(NamedTuple):
    """Scores of cells.

    Parameters
    ----------
    scores
        Cells x scored sets.
    sums
        Counts of all genes summed over groups of cells.
    cell_totals
        Counts of each cell over all genes.
    """

    scores: pd.DataFrame
    sums: GeneSums
    cell_totals: Floats


def survey(arguments: argparse.Namespace, *, of_kept: bool = True) -> Cohort:
    """Read what all samples share, with the user's own sets behind those of the reviews.

    Parameters
    ----------
    arguments
        Those of the step: counts, quality, cell_types, settings, compute, threads.
    of_kept
        Whether the cell types are of the kept cells only, or of all cells, as those of a section are.

    Raises
    ------
    InputError
        Files are missing or of other cells, or the user's sets cannot be used.
    """
    pairs, _ = pair_kept(arguments.counts, arguments.quality)
    panels = {counts: read_frame(counts, "var", []).index for counts, _ in pairs}
    genes = shared_genes(panels.values())
    sizes = [len(panel) for panel in panels.values()]
    if len(genes) < max(sizes):
        log.warning(
            "%d genes are in every sample, of up to %d; the others are not used", len(genes), max(sizes)
        )
    species = species_of([read_frame(counts, "obs", ["species"]) for counts, _ in pairs], "--counts")
    compute: Compute = arguments.compute
    blocks = plan_blocks(pairs, max_gib=compute.block_gib)
    over = Blocks(blocks, compute.dask_scheduler, arguments.threads)
    columns = {path: positions(panel, genes) for path, panel in panels.items()}
    types = _types_of([quality for _, quality in pairs], arguments.cell_types, of_kept=of_kept)
    markers, own = read_markers(species), arguments.settings.gene_sets
    if own:
        markers = add_gene_sets(markers, expand_path(own))
    kinds = kinds_of(*(types[name].to_numpy(dtype=object) for name in (names.LINEAGE, names.CELL_TYPE)))
    return Cohort(over, columns, types, kinds, genes, min(sizes), markers)


def _types_of(quality: list[Path], path: Path, *, of_kept: bool) -> pd.DataFrame:
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
    if of_kept and len(kept) != len(types):
        what = f"{len(types)} cells have a type, {len(kept)} are kept"
        raise InputError(what, path, fix)
    return types.reindex(kept)


def tasks(cohort: Cohort, groups: Sequence[Mask]) -> list[Task]:
    """Cut groups of cells as the counts are cut."""
    over = cohort.over
    return [
        Task(block, cohort.columns[block.path], members)
        for block, members in zip(over.blocks, over.split(np.stack(groups)), strict=True)
    ]


def score_cells(cohort: Cohort, sets: MarkerSets, groups: Sequence[Mask], settings: States) -> Scored:
    """Score every cell, and sum the counts of groups of cells.

    Parameters
    ----------
    cohort
        What all samples share.
    sets
        The sets that are scored.
    groups
        Groups of cells: whether each cell is in the group.
    settings
        How sets are scored.
    """
    max_rank = capped_max_rank(settings.max_rank, cohort.smallest_panel)
    method = Method(settings.score_method, max_rank, settings.aucell_share, settings.n_controls)
    weights = {}
    if method.name == MEAN_DIFFERENCE:
        means = mean_expression(cohort.over, cohort.columns)
        weights = {
            path: control_weights(of_sample, cohort.genes, sets, method, min_coverage=settings.min_coverage)
            for path, of_sample in means.items()
        }
    score = partial(_score_block, cohort.genes, sets, method, settings.min_coverage, weights)
    found = cohort.over.map(score, tasks(cohort, groups))
    first = next(found)
    scores, sums, cell_totals = [first.scores], first.sums, [first.cell_totals]
    for block in found:
        scores.append(block.scores)
        cell_totals.append(block.cell_totals)
        sums = sums.add(block.sums)  # as they come: those of one block are as large as those of all
    return Scored(pd.concat(scores, ignore_index=True), sums, np.concatenate(cell_totals))


def _score_block(
    genes: pd.Index,
    sets: MarkerSets,
    method: Method,
    min_coverage: float,
    weights: dict[Path, sparse.csr_matrix],
    task: Task,
) -> Scored:
    counts, cell_totals = read_genes(task.block, task.columns)
    scores = score_signatures(
        counts,
        genes,
        sets,
        method,
        min_coverage=min_coverage,
        cell_totals=cell_totals,
        weights=weights.get(task.block.path),
    )
    return Scored(scores, sum_groups(counts, cell_totals, task.members), cell_totals)


def correlate_with_depth(cohort: Cohort, sets: MarkerSets, scored: Scored) -> pd.Series:
    """Correlate the scores of each set with depth, in the cells of its parent."""
    parents = sets.coverage["parent"]
    above = cohort.markers.groupby("set_id")["parent"].first()
    members = (cells_below(parents[name], cohort.kinds, above) for name in scored.scores.columns)
    return depth_correlations(scored.scores, scored.cell_totals, members)


def mean_expression(over: Blocks, columns: dict[Path, NDArray[np.intp]]) -> dict[Path, Floats]:
    """Average the log-normalised expression of genes over the wanted cells of each file.

    Parameters
    ----------
    over
        The blocks of all files.
    columns
        Places of the genes in each file.

    Returns
    -------
    Mean of each gene by file, natural logarithm of 1 + counts per 10,000.
    """
    sums: dict[Path, Floats] = {}
    n_cells: dict[Path, int] = {}
    for block, own in zip(over.blocks, over.map(partial(_sum_block, columns), over.blocks), strict=True):
        sums[block.path] = sums[block.path] + own if block.path in sums else own
        n_cells[block.path] = n_cells.get(block.path, 0) + block.n_cells
    return {path: total / n_cells[path] for path, total in sums.items()}


def _sum_block(columns: dict[Path, NDArray[np.intp]], block: Block) -> Floats:
    counts, cell_totals = read_genes(block, columns[block.path])
    expression = log_normalise(counts, cell_totals=cell_totals)
    return np.asarray(expression.sum(axis=0, dtype=np.float64)).ravel()
