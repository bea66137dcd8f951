"""Step `integrate`: normalise, choose variable genes, and make one embedding of all samples."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.blocks import Block, map_blocks, plan_blocks, read_block
from stietime.cells import integration, neighbours, variable_genes
from stietime.cells.covariance import Products, components_of, products_of
from stietime.cells.integration_table import BATCH, integration_table
from stietime.cells.normalisation import log_normalise, totals
from stietime.errors import InputError, raise_all
from stietime.settings import Compute, Integration
from stietime.steps.annotate import pair_kept
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.collect_cells import read_part

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

log = logging.getLogger(__name__)

NO_BATCH = "(none given)"
# columns of obs, where they are there, whose mixing is measured beside that of the batch
MIXED = (names.ENVIRONMENT, names.PATIENT, "given_cell_type")


class _Cohort(NamedTuple):
    """What a first reading of all samples tells: the kept cells, the genes they share, sums by batch.

    `left_out` names the samples that keep no cell.
    """

    obs: pd.DataFrame
    genes: list[str]
    batches: dict[str, variable_genes.Moments]
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

    Counts are read block by block, three times: to choose the variable genes, for their covariance, and for
    the components of the cells. No more than a block for each thread is in memory.

    Raises
    ------
    InputError
        No cell is kept, the samples share too few genes, or a sample has no batch.
    """
    settings: Integration = arguments.settings
    paths, empty = pair_kept(arguments.counts, arguments.quality)
    over = _over_blocks(paths, arguments.compute, arguments.threads)
    cohort = _survey(paths, over, settings.batch_column, [_sample_of(quality) for _, quality in empty])
    genes = _choose_genes(cohort, settings)
    components = _components(paths, over, genes["gene"].tolist(), settings)
    corrected = _correct(components.scores, cohort.obs[BATCH], settings, arguments.threads)
    graph, drawn = _draw(corrected.embedding, settings)
    storage.write_table(genes, arguments.variable_genes)
    embedding = _embedding_table(cohort, components.scores, corrected.embedding, drawn)
    storage.write_table(embedding, arguments.output)
    _write_graph(graph, arguments.graph)
    table = integration_table(
        cohort.obs,
        (len(cohort.genes), len(genes)),
        components,
        corrected,
        left_out=cohort.left_out,
        seed=settings.seed,
    )
    storage.write_table(table, arguments.metrics)
    log.info("%d cells, %d variable genes", len(cohort.obs), len(genes))
    _report(table, corrected)


class _Blocks(NamedTuple):
    """The blocks of all samples, and where functions of them are computed."""

    blocks: list[Block]
    scheduler: str
    n_workers: int

    def map[Item, Result](
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """Apply a function to every block; the results come in the order of the cells."""
        return map_blocks(function, items, scheduler=self.scheduler, n_workers=self.n_workers)


def _over_blocks(paths: Sequence[tuple[Path, Path]], compute: Compute, n_threads: int) -> _Blocks:
    return _Blocks(plan_blocks(paths, max_gib=compute.block_gib), compute.dask_scheduler, n_threads)


def _sample_of(quality: Path) -> str:
    """Name the sample of a table of quality; a table without a cell is named by its folder."""
    cells = storage.read_table(quality, [names.CELL])[names.CELL]
    return str(cells.iloc[0]).partition(":")[0] if len(cells) else quality.parent.name


def _survey(
    paths: Sequence[tuple[Path, Path]], over: _Blocks, batch_column: str, left_out: list[str]
) -> _Cohort:
    """Read the labels of all kept cells, and sum up their genes for each batch."""
    frames, genes = [], {}
    for counts, quality in paths:
        keep = storage.read_table(quality, [names.KEEP])[names.KEEP].to_numpy(dtype=bool)
        frames.append(_labels(read_part(counts, "obs")[keep], batch_column, counts))
        genes[counts] = read_part(counts, "var", []).index
    obs = pd.concat(frames)
    _check_batches(obs, batch_column)
    ends = np.cumsum([block.n_cells for block in over.blocks])
    labels = np.split(obs[BATCH].to_numpy(dtype=object), ends[:-1])
    sums = over.map(_moments_by_batch, list(zip(over.blocks, labels, strict=True)))
    parts = [
        (batch, genes[block.path], found)
        for block, by_batch in zip(over.blocks, sums, strict=True)
        for batch, found in by_batch.items()
    ]
    return _Cohort(obs, *variable_genes.gather(parts), left_out)


def _moments_by_batch(labelled: tuple[Block, NDArray[np.object_]]) -> dict[str, variable_genes.Moments]:
    counts, batch = read_block(labelled[0]), pd.Series(labelled[1])
    rows = batch.groupby(batch, sort=False).indices
    if len(rows) == 1:
        return {str(batch[0]): variable_genes.moments(counts)}
    return {str(name): variable_genes.moments(counts[found]) for name, found in rows.items()}


def _labels(obs: pd.DataFrame, batch_column: str, path: Path) -> pd.DataFrame:
    if batch_column not in obs:
        what = f"integration.batch_column is {batch_column!r}, which the sample does not have"
        raise InputError(what, path, f"use one of {', '.join(map(str, obs.columns))}")
    columns = [names.SAMPLE, *(column for column in MIXED if column in obs)]
    labels = obs[columns].astype(object)
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
        pooled, cohort.genes, n_variable_genes=settings.n_variable_genes
    )
    if len(genes) < 3:
        what = f"{len(cohort.genes)} genes are in every sample, and {len(genes)} of them vary"
        raise InputError(what, "the counts", "integrate samples whose genes overlap, or more cells")
    return genes


def _components(
    paths: Sequence[tuple[Path, Path]], over: _Blocks, genes: list[str], settings: Integration
) -> integration.Components:
    """Find the components of all cells from the covariance of the variable genes, and the cells' scores."""
    columns = {path: read_part(path, "var", []).index.get_indexer(pd.Index(genes)) for path, _ in paths}
    sums = over.map(partial(_products, columns), over.blocks)
    products = next(sums)
    for found in sums:
        products = products.add(found)
    try:
        components = components_of(products, settings.n_components)
    except ValueError as error:
        fix = "give more cells, or loosen the options of quality"
        raise InputError(str(error), "the kept cells", fix) from None
    scores = over.map(partial(_scores, columns, components), over.blocks)
    return components._replace(scores=np.vstack(list(scores)))


def _expression(columns: dict[Path, NDArray[np.intp]], block: Block) -> csr_matrix:
    counts = read_block(block)
    return log_normalise(counts[:, columns[block.path]], cell_totals=totals(counts))


def _products(columns: dict[Path, NDArray[np.intp]], block: Block) -> Products:
    return products_of(_expression(columns, block))


def _scores(
    columns: dict[Path, NDArray[np.intp]], components: integration.Components, block: Block
) -> NDArray[np.float64]:
    return components.project(_expression(columns, block))


def _correct(
    scores: NDArray[np.float64], batches: pd.Series, settings: Integration, n_threads: int
) -> integration.Correction:
    if settings.method == "none":
        return integration.uncorrected(scores, "not corrected: integration.method is none")
    return integration.correct_for_batch(
        scores,
        batches.tolist(),
        theta=settings.harmony_theta,
        max_iterations=settings.harmony_max_iterations,
        seed=settings.seed,
        n_threads=n_threads,
    )


def _draw(embedding: NDArray[np.float64], settings: Integration) -> tuple[csr_matrix, NDArray[np.float32]]:
    points = embedding.astype(np.float32)
    cells = neighbours.neighbour_graph(points, settings.n_neighbours, seed=settings.seed)
    drawn = neighbours.lay_out(cells, min_distance=settings.umap_min_distance, seed=settings.seed)
    return cast("csr_matrix", cells.obsp[neighbours.CONNECTIVITIES]), drawn


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


def _write_graph(graph: csr_matrix, path: Path) -> None:
    from scipy import sparse

    with storage.atomic_path(path) as partial:
        sparse.save_npz(partial, graph)


def _report(table: pd.DataFrame, corrected: integration.Correction) -> None:
    told = table.set_index("metric")
    confounding = str(told.loc["batch_environment_cramers_v", "note"])
    if confounding.startswith(("confounded", "nearly")):
        log.warning(confounding)
    n_batches = int(told["value"]["n_batches"])
    log.info(corrected.note or f"Harmony over {n_batches} batches, rounds: {corrected.n_iterations}")
