"""Step `integrate`: normalise, choose variable genes, and make one embedding of all samples."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.blocks import Block, Blocks, plan_blocks, read_block, read_genes
from stietime.cells import variable_genes
from stietime.cells.cell_sums import totals
from stietime.cells.embedding import integration, neighbours
from stietime.cells.embedding.balanced_neighbours import balanced_graph
from stietime.cells.embedding.covariance import Products, axes_of, products_of
from stietime.cells.embedding.integration_table import (
    BATCH,
    TYPES,
    integration_table,
    measure_mixing,
)
from stietime.cells.embedding.layout import Drawing, draw
from stietime.cells.normalisation import log_normalise
from stietime.errors import InputError, raise_all
from stietime.h5ad_parts import read_frame
from stietime.settings import Compute, Integration
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.kept_cells import pair_kept

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

NO_BATCH = "(none given)"
# columns of obs, where they are there, whose mixing is measured beside that of the batch
MIXED = (names.ENVIRONMENT, names.PATIENT, *TYPES)


class _Cohort(NamedTuple):
    """What a first reading of all samples tells.

    `panels` are the genes of each file, `genes` those that all share, `depth` the counts that cells are
    scaled to, `left_out` the samples without a kept cell.
    """

    obs: pd.DataFrame
    panels: dict[Path, pd.Index]
    genes: list[str]
    batches: dict[str, variable_genes.Moments]
    depth: float
    left_out: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--counts", "counts of every sample (h5ad)")
    add_paths(parser, "--quality", "quality of every sample, in the same order (parquet)")
    add_settings(parser, Integration)
    add_compute(parser)
    add_path(parser, "--output", "embedding of the kept cells (parquet)")
    add_path(parser, "--variable-genes", "variable genes (tsv)")
    add_path(parser, "--graph", "weights between neighbours, rows as in the embedding (npz)")
    add_path(parser, "--metrics", "mixing and other facts of the integration (tsv)")


def run(arguments: argparse.Namespace) -> None:
    """Integrate the samples.

    Counts are read block by block, twice: to choose the variable genes, and for their covariance. What the
    cells express of the variable genes is put aside on the disk for their components. No more than a block
    for each thread is in memory.

    Raises
    ------
    InputError
        No cell is kept, the samples share too few genes, or a sample has no batch.
    """
    settings: Integration = arguments.settings
    paths, empty = pair_kept(arguments.counts, arguments.quality)
    compute: Compute = arguments.compute
    blocks = plan_blocks(paths, max_gib=compute.block_gib)
    over = Blocks(blocks, compute.dask_scheduler, arguments.threads)
    cohort = _survey(paths, over, settings, [_sample_of(quality) for _, quality in empty])
    genes = _choose_genes(cohort, settings)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=arguments.output.parent, prefix=".integrate-") as aside:
        components = _components(cohort, over, genes["gene"].tolist(), settings, Path(aside).absolute())
    corrected = _correct(components.scores, cohort.obs, settings, arguments.threads)
    points = corrected.embedding.astype(np.float32)
    graph = _join(points, cohort.obs[BATCH], settings, arguments.threads)
    with ThreadPoolExecutor(1) as beside:  # neither keeps all processors busy
        drawn = beside.submit(_draw, points, graph, settings, arguments.threads)
        mixing = measure_mixing(cohort.obs, components, corrected, graph, seed=settings.seed)
        drawing = drawn.result()
    storage.write_table(genes, arguments.variable_genes)
    embedding = _embedding_table(cohort, components.scores, corrected.embedding, drawing.points)
    storage.write_table(embedding, arguments.output)
    storage.write_graph(graph.weights, arguments.graph)
    table = integration_table(
        cohort.obs,
        (len(cohort.genes), len(genes)),
        components,
        corrected,
        graph,
        drawing,
        mixing,
        left_out=cohort.left_out,
    )
    # sums in another order differ in the last digits
    storage.write_table(table.round({"value": 12, "scaled": 12}), arguments.metrics)
    log.info("%d cells, scaled to %g counts; %d variable genes", len(cohort.obs), cohort.depth, len(genes))
    _report(table, cohort, corrected)


def _sample_of(quality: Path) -> str:
    """Name the sample of a table of quality; a table without a cell is named by its folder."""
    cells = storage.read_table(quality, [names.CELL])[names.CELL]
    return str(cells.iloc[0]).partition(":")[0] if len(cells) else quality.parent.name


def _survey(
    paths: Sequence[tuple[Path, Path]], over: Blocks, settings: Integration, left_out: list[str]
) -> _Cohort:
    """Read the labels of all kept cells, and sum up their genes for each batch."""
    frames = []
    panels = {counts: read_frame(counts, "var", []).index for counts, _ in paths}
    for counts, quality in paths:
        judged = storage.read_table(quality, [names.KEEP])
        keep = judged[names.KEEP].to_numpy(dtype=bool)
        labels = _labels(read_frame(counts, "obs")[keep], settings, counts)
        if names.PROVISIONAL_LINEAGE in judged:
            lineage = judged.loc[keep, names.PROVISIONAL_LINEAGE].astype(object)
            labels[names.PROVISIONAL_LINEAGE] = lineage.where(lineage != names.UNCLEAR, None).to_numpy()
        frames.append(labels)
    obs = pd.concat(frames)
    _check_batches(obs, settings.batch_column)
    batches = over.split(obs[BATCH].to_numpy(dtype=object))
    sums = over.map(_moments_by_batch, list(zip(over.blocks, batches, strict=True)))
    parts, depths = [], []
    for block, (by_batch, cell_totals) in zip(over.blocks, sums, strict=True):
        parts += [(batch, panels[block.path], found) for batch, found in by_batch.items()]
        depths.append(cell_totals)
    depth = settings.target_counts or max(float(np.median(np.concatenate(depths))), 1.0)
    return _Cohort(obs, panels, *variable_genes.gather(parts), depth, left_out)


def _moments_by_batch(
    labelled: tuple[Block, NDArray[np.object_]],
) -> tuple[dict[str, variable_genes.Moments], NDArray[np.float64]]:
    """Sum up the genes of a block by batch, and the counts of each of its cells."""
    counts, batch = read_block(labelled[0]), pd.Series(labelled[1])
    rows, cell_totals = batch.groupby(batch, sort=False).indices, totals(counts)
    if len(rows) == 1:
        return {str(batch[0]): variable_genes.moments(counts)}, cell_totals
    return {str(name): variable_genes.moments(counts[found]) for name, found in rows.items()}, cell_totals


def _labels(obs: pd.DataFrame, settings: Integration, path: Path) -> pd.DataFrame:
    batch_column, covariates = settings.batch_column, settings.further_covariates
    for option, column in (("batch_column", batch_column), *(("further_covariates", c) for c in covariates)):
        if column not in obs:
            what = f"integration.{option} is {column!r}, which the sample does not have"
            raise InputError(what, path, f"use one of {', '.join(map(str, obs.columns))}")
    columns = dict.fromkeys([names.SAMPLE, *(c for c in MIXED if c in obs), *covariates])
    labels = obs[list(columns)].astype(object)
    batch = obs[batch_column].astype(object)
    labels[BATCH] = batch.where(batch.notna() & (batch.astype(str) != ""), NO_BATCH).astype(str)
    return labels


def _check_batches(obs: pd.DataFrame, batch_column: str) -> None:
    """Refuse a cohort in which only some samples have a batch."""
    missing = obs[BATCH] == NO_BATCH
    if missing.all():
        return
    fix = "give a batch to every sample, or to none"
    raise_all(
        [
            InputError(f"sample {sample} has no {batch_column}, other samples have", "the sample sheet", fix)
            for sample in obs.loc[missing, names.SAMPLE].unique()
        ]
    )


def _choose_genes(cohort: _Cohort, settings: Integration) -> pd.DataFrame:
    pooled = variable_genes.pool_small(cohort.batches, settings.min_cells_per_batch)
    genes = variable_genes.rank_variable_genes(
        pooled, cohort.genes, n_variable_genes=settings.n_variable_genes, depth=cohort.depth
    )
    if len(genes) < 3:
        what = f"{len(cohort.genes)} genes are in every sample, and {len(genes)} of them vary"
        raise InputError(what, "the counts", "integrate samples whose genes overlap, or more cells")
    return genes


def _components(
    cohort: _Cohort, over: Blocks, genes: list[str], settings: Integration, aside: Path
) -> integration.Components:
    """Find the components of all cells from the covariance of the variable genes, and the cells' scores."""
    columns = {path: panel.get_indexer(pd.Index(genes)) for path, panel in cohort.panels.items()}
    files = [aside / f"{place}.npz" for place in range(len(over.blocks))]
    sums = over.map(partial(_products, columns, cohort.depth), list(zip(over.blocks, files, strict=True)))
    products = next(sums)
    for found in sums:
        products = products.add(found)
    try:
        axes = axes_of(products, settings.n_components)
    except ValueError as error:
        fix = "give more cells, or loosen the options of quality"
        raise InputError(str(error), "the kept cells", fix) from None
    return integration.Components(np.vstack(list(over.map(partial(_scores, axes), files))), axes)


def _products(columns: dict[Path, NDArray[np.intp]], depth: float, task: tuple[Block, Path]) -> Products:
    """Sum up the expression of a block's cells, and put it aside."""
    block, file = task
    counts, cell_totals = read_genes(block, columns[block.path])
    expression = log_normalise(counts, target=depth, cell_totals=cell_totals)
    sparse.save_npz(file, expression, compressed=False)
    return products_of(expression)


def _scores(axes: integration.Axes, file: Path) -> NDArray[np.float64]:
    return axes.project(sparse.csr_matrix(sparse.load_npz(file)))


def _correct(
    scores: NDArray[np.float64], obs: pd.DataFrame, settings: Integration, n_threads: int
) -> integration.Correction:
    if settings.method != "harmony":
        return integration.uncorrected(scores, f"not corrected: integration.method is {settings.method}")
    return integration.correct_for_batch(
        scores,
        obs[[BATCH, *settings.further_covariates]],
        theta=settings.harmony_theta,
        ridge=settings.harmony_ridge,
        max_iterations=settings.harmony_max_iterations,
        seed=settings.seed,
        n_threads=n_threads,
    )


def _join(
    points: NDArray[np.float32], batches: pd.Series, settings: Integration, n_threads: int
) -> neighbours.NeighbourGraph:
    """Join cells to their neighbours, in every batch where the method asks for it."""
    if settings.method != "bbknn":
        return neighbours.neighbour_graph(
            points, settings.n_neighbours, seed=settings.seed, n_threads=n_threads
        )
    return balanced_graph(points, batches.tolist(), seed=settings.seed, n_threads=n_threads)


def _draw(
    points: NDArray[np.float32], graph: neighbours.NeighbourGraph, settings: Integration, n_threads: int
) -> Drawing:
    return draw(
        points,
        graph.weights,
        min_distance=settings.umap_min_distance,
        n_neighbours=settings.n_neighbours,
        seed=settings.seed,
        n_threads=n_threads,
    )


def _embedding_table(
    cohort: _Cohort, scores: NDArray[np.float64], corrected: NDArray[np.float64], drawn: NDArray[np.float32]
) -> pd.DataFrame:
    blocks: dict[str, NDArray[np.floating]] = {"pca": scores, "harmony": corrected, "umap": drawn}
    columns = {
        f"{name}_{place + 1}": block[:, place].astype(np.float32)
        for name, block in blocks.items()
        for place in range(block.shape[1])
    }
    return storage.cell_table(cohort.obs.index, **columns)


def _report(table: pd.DataFrame, cohort: _Cohort, corrected: integration.Correction) -> None:
    for sentence in table.loc[table["metric"] == "warning", "note"]:
        log.warning(sentence)
    n_batches = cohort.obs[BATCH].nunique()
    log.info(corrected.note or f"Harmony over {n_batches} batches, rounds: {corrected.n_iterations}")
