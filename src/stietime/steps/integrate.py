"""Step `integrate`: normalise, choose variable genes, and make one embedding of all samples."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.cells import integration, mixing, neighbours, variable_genes
from stietime.cells.normalisation import log_normalise
from stietime.errors import InputError, raise_all
from stietime.settings import Integration
from stietime.steps.annotate import pair_kept
from stietime.steps.arguments import add_path, add_paths, add_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

log = logging.getLogger(__name__)

BATCH = "batch"
NO_BATCH = "(none given)"
# columns of obs, where they are there, whose mixing is measured beside that of the batch
MIXED = (names.ENVIRONMENT, names.PATIENT, "given_cell_type")
Row = dict[str, object]


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
    add_path(parser, "--output", "embedding of the kept cells (parquet)")
    add_path(parser, "--variable-genes", "variable genes (tsv)")
    add_path(parser, "--graph", "weights between neighbours, rows as in the embedding (npz)")
    add_path(parser, "--metrics", "mixing and other facts of the integration (tsv)")


def run(arguments: argparse.Namespace) -> None:
    """Integrate the samples.

    Each sample is read twice, once to choose the variable genes and once for their expression, so that no
    more than one sample is in memory with all its genes.

    Raises
    ------
    InputError
        No cell is kept, the samples share too few genes, or a sample has no batch.
    """
    settings: Integration = arguments.settings
    paths, empty = pair_kept(arguments.counts, arguments.quality)
    cohort = _survey(paths, settings.batch_column, [_sample_of(quality) for _, quality in empty])
    genes = _choose_genes(cohort, settings)
    components = _components(paths, genes["gene"].tolist(), settings)
    corrected = _correct(components.scores, cohort.obs[BATCH], settings, arguments.threads)
    graph, drawn = _draw(corrected.embedding, settings)
    storage.write_table(genes, arguments.variable_genes)
    storage.write_table(
        _embedding_table(cohort, components.scores, corrected.embedding, drawn), arguments.output
    )
    _write_graph(graph, arguments.graph)
    rows = _facts(cohort, genes, components, corrected) + _mixing(
        cohort, components, corrected, settings.seed
    )
    storage.write_table(pd.DataFrame(rows), arguments.metrics)
    _report(cohort, genes, components, corrected)


class _Sample(NamedTuple):
    """The kept cells of one sample."""

    path: Path
    obs: pd.DataFrame
    genes: pd.Index
    counts: csr_matrix


def _kept_samples(paths: Sequence[tuple[Path, Path]]) -> Iterator[_Sample]:
    """Read the kept cells of one sample after the other."""
    for counts, quality in paths:
        cells = storage.read_cells(counts, quality)
        obs = cast("pd.DataFrame", cells.obs)
        kept = obs[names.KEEP].to_numpy(dtype=bool)
        yield _Sample(counts, obs[kept], cells.var_names, cast("csr_matrix", cells.X)[kept])


def _sample_of(quality: Path) -> str:
    """Name the sample of a table of quality; a table without a cell is named by its folder."""
    cells = storage.read_table(quality, [names.CELL])[names.CELL]
    return str(cells.iloc[0]).partition(":")[0] if len(cells) else quality.parent.name


def _survey(paths: Sequence[tuple[Path, Path]], batch_column: str, left_out: list[str]) -> _Cohort:
    """Read every sample once: its labels, and the sums of its genes for each batch."""
    frames, parts = [], []
    for sample in _kept_samples(paths):
        labels = _labels(sample.obs, batch_column, sample.path)
        frames.append(labels)
        for batch, rows in labels.groupby(BATCH).indices.items():
            parts.append((str(batch), sample.genes, variable_genes.moments(sample.counts[rows])))
    obs = pd.concat(frames)
    _check_batches(obs, batch_column)
    return _Cohort(obs, *variable_genes.gather(parts), left_out)


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
    paths: Sequence[tuple[Path, Path]], genes: list[str], settings: Integration
) -> integration.Components:
    from scipy import sparse

    parts = []
    for sample in _kept_samples(paths):
        columns = sample.genes.get_indexer(pd.Index(genes))
        parts.append(log_normalise(sample.counts)[:, columns])
    expression: csr_matrix = sparse.csr_matrix(sparse.vstack(parts))
    try:
        return integration.principal_components(expression, settings.n_components, seed=settings.seed)
    except ValueError as error:
        raise InputError(
            str(error), "the kept cells", "give more cells, or loosen the options of quality"
        ) from None


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


def _row(embedding: str, metric: str, value: float, n: int, note: str = "", ideal: float = np.nan) -> Row:
    return {"embedding": embedding, "metric": metric, "value": value, "ideal": ideal, "n": n, "note": note}


def _facts(
    cohort: _Cohort,
    genes: pd.DataFrame,
    components: integration.Components,
    corrected: integration.Correction,
) -> list[Row]:
    """Rows about the cohort and the steps; `n` is the number of cells."""
    n, small = len(cohort.obs), variable_genes.POOLED
    n_rounds = f"stopped by itself, rounds: {corrected.n_iterations}"
    rounds = corrected.note or (
        n_rounds if corrected.converged else "stopped at the largest number of rounds"
    )
    strength, note = mixing.confounding(cohort.obs[BATCH], cohort.obs[names.ENVIRONMENT])
    if note.startswith(("confounded", "nearly")):
        log.warning(note)
    return [
        _row("cohort", "n_cells", n, n),
        _row("cohort", "n_samples", cohort.obs[names.SAMPLE].nunique(), n, _tell_left_out(cohort.left_out)),
        _row("cohort", "n_batches", len(cohort.batches), n),
        _row("cohort", "n_genes_shared", len(cohort.genes), n, "genes that every sample has"),
        _row("cohort", "n_variable_genes", len(genes), n, f"batches of few cells are pooled as {small}"),
        _row("cohort", "batch_environment_cramers_v", strength, n, note, ideal=0.0),
        _row("pca", "n_components", components.scores.shape[1], n),
        _row(
            "pca",
            "variance_explained",
            float(components.explained.sum()),
            n,
            "share of the variable genes' variance",
        ),
        _row("harmony", "harmony_iterations", corrected.n_iterations, n, rounds),
        _row("harmony", "harmony_converged", float(corrected.converged), n, rounds, ideal=1.0),
    ]


def _tell_left_out(samples: list[str]) -> str:
    kind = "sample keeps" if len(samples) == 1 else "samples keep"
    return f"{len(samples)} further {kind} no cell: {', '.join(samples)}" if samples else ""


def _mixing(
    cohort: _Cohort, components: integration.Components, corrected: integration.Correction, seed: int
) -> list[Row]:
    labels = cohort.obs[[BATCH, *(column for column in MIXED if column in cohort.obs)]]
    rows = mixing.mixing_rows("pca", components.scores, labels, seed=seed)
    for row in mixing.mixing_rows("harmony", corrected.embedding, labels, seed=seed):
        rows.append({**row, "note": "; ".join(filter(None, (corrected.note, str(row["note"]))))})
    return rows


def _report(
    cohort: _Cohort,
    genes: pd.DataFrame,
    components: integration.Components,
    corrected: integration.Correction,
) -> None:
    n_components = components.scores.shape[1]
    log.info("%d cells, %d variable genes, %d components", len(cohort.obs), len(genes), n_components)
    log.info(
        corrected.note or f"Harmony over {len(cohort.batches)} batches, rounds: {corrected.n_iterations}"
    )
