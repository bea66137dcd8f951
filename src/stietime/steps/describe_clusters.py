"""Step `describe-clusters`: how stable the clusters are, whose cells they hold, and which genes mark them."""

from __future__ import annotations

import logging
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.blocks import Block, Blocks, plan_blocks, read_genes
from stietime.cells.clusters.clustering import column_of
from stietime.cells.clusters.flags import cluster_quality
from stietime.cells.clusters.markers import marker_table, rank_sum_tests
from stietime.cells.clusters.resolution_table import mean_silhouettes, resolution_table
from stietime.cells.clusters.spread_draw import draw_evenly
from stietime.cells.clusters.stability import Stability, measure_stability, recluster
from stietime.cells.clusters.sums import ClusterSums, PatientTally, sum_clusters
from stietime.cells.embedding.balanced_neighbours import balanced_graph
from stietime.cells.marker_sets import positions, shared_genes
from stietime.cells.normalisation import log_normalise
from stietime.errors import InputError
from stietime.h5ad_parts import read_frame
from stietime.settings import ClusterDescription, Clustering, Integration
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.kept_cells import pair_kept

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Integers = NDArray[np.int64]

log = logging.getLogger(__name__)

BATCH = "batch"
# what is said of one sample's cells: columns of the table of labels
FROM_SHEET = (names.SAMPLE, names.PATIENT, BATCH)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--counts", "counts of every sample (h5ad)")
    add_paths(parser, "--quality", "quality of every sample, in the same order (parquet)")
    add_path(parser, "--embedding", "embedding of the kept cells (parquet)")
    add_path(parser, "--clusters", "clusters of the kept cells (parquet)")
    add_settings(parser, ClusterDescription)
    add_settings(parser, Clustering, "--clustering")
    add_settings(parser, Integration, "--integration")
    add_compute(parser)
    text = "tables of the resolutions, of the clusters with their flags, and of the markers (tsv)"
    metavar = ("RESOLUTIONS", "QUALITY", "MARKERS")
    parser.add_argument("--output", type=Path, required=True, nargs=3, metavar=metavar, help=text)


class _Cohort(NamedTuple):
    """The kept cells in the order of patients and samples, and where their counts are.

    `columns` are the places of the shared genes in each file. `labels` has a row per cell: sample, patient,
    batch, `cluster` and the column of each resolution.
    """

    over: Blocks
    columns: dict[Path, NDArray[np.intp]]
    genes: pd.Index
    labels: pd.DataFrame


class _BlockCells(NamedTuple):
    """A block, the cluster of each of its wanted cells, and which of them are drawn for the tests."""

    block: Block
    clusters: Integers
    drawn: NDArray[np.bool_]


def run(arguments: argparse.Namespace) -> None:
    """Describe the clusters.

    Counts are read block by block, once. In memory are the sums of each cluster, and the expression of the
    cells that are drawn for the tests.
    """
    settings: ClusterDescription = arguments.settings
    to_resolutions, to_quality, to_markers = arguments.output
    cohort = _survey(arguments)
    resolutions = _resolutions(cohort.labels, arguments.clustering, arguments.clusters)
    stability, widths = _stability(cohort, resolutions, arguments)
    table = resolution_table(cohort.labels[list(resolutions)], resolutions, stability, widths)
    storage.write_table(table, to_resolutions)
    quality = cluster_quality(
        cohort.labels,
        stability.overlap.mean().to_dict(),
        max_share_of_one=settings.max_share_of_one,
        min_stability=settings.min_stability,
        min_cells=settings.min_cells,
    )
    storage.write_table(quality, to_quality)
    markers = _markers(cohort, list(quality[names.CLUSTER]), arguments)
    storage.write_table(markers, to_markers)
    for row in table.itertuples():
        log.info("resolution %g: %d clusters; %s", row.resolution, row.n_clusters, row.note)
    for row in quality[quality["flag"] != ""].itertuples():
        log.warning("cluster %s: %s", row.cluster, row.flag)


def _survey(arguments: argparse.Namespace) -> _Cohort:
    """Put the samples in the order of patients, and read the labels of their kept cells."""
    pairs, _ = pair_kept(arguments.counts, arguments.quality)
    parts = {pair: _labels(*pair, arguments.integration.batch_column) for pair in pairs}
    pairs.sort(key=lambda pair: str(parts[pair][names.PATIENT].iloc[0]))
    labels = pd.concat([parts[pair] for pair in pairs])
    clusters = storage.read_table(arguments.clusters, [names.CELL, names.CLUSTER])
    labels = storage.join_strictly(labels, clusters, arguments.clusters)
    panels = {counts: read_frame(counts, "var", []).index for counts, _ in pairs}
    genes = shared_genes(panels.values())
    blocks = plan_blocks(pairs, max_gib=arguments.compute.block_gib)
    over = Blocks(blocks, arguments.compute.dask_scheduler, arguments.threads)
    columns = {path: positions(panel, genes) for path, panel in panels.items()}
    return _Cohort(over, columns, genes, labels)


def _labels(counts: Path, quality: Path, batch: str) -> pd.DataFrame:
    """Read what the sheet says of the kept cells of a sample, empty where it says nothing."""
    sources = dict(zip(FROM_SHEET, (names.SAMPLE, names.PATIENT, batch), strict=True))
    keep = storage.read_table(quality, [names.KEEP])[names.KEEP].to_numpy(dtype=bool)
    obs = read_frame(counts, "obs", list(dict.fromkeys(sources.values())))[keep]
    given = {name: obs[source] for name, source in sources.items() if source in obs}
    labels = pd.DataFrame(given, index=obs.index, columns=list(FROM_SHEET))
    return labels.astype(object).fillna("").astype(str)


def _resolutions(labels: pd.DataFrame, settings: Clustering, path: Path) -> dict[str, float]:
    """Name the columns of the resolutions, that of the clusters in use first.

    Raises
    ------
    InputError
        The clusters were made at other resolutions.
    """
    wanted = (settings.resolution, *settings.other_resolutions)
    columns = {column_of(resolution): resolution for resolution in wanted}
    missing = [column for column in columns if column not in labels]
    if missing:
        what = f"the clusters lack the columns {', '.join(missing)}"
        raise InputError(what, path, "run the step `cluster` with the same options")
    chosen = next(iter(columns))
    if not (labels[names.CLUSTER] == labels[chosen]).all():
        what = f"the clusters in use are not those of {chosen}"
        raise InputError(what, path, "run the step `cluster` with the same options")
    return columns


def _stability(
    cohort: _Cohort, resolutions: dict[str, float], arguments: argparse.Namespace
) -> tuple[Stability, pd.Series]:
    """Cluster subsamples anew, and measure how separate the clusters are."""
    settings: ClusterDescription = arguments.settings
    integration: Integration = arguments.integration
    seed: int = arguments.clustering.seed
    points = _embedding(cohort, arguments.embedding)
    clusters = cohort.labels[list(resolutions)]
    batches = cohort.labels[BATCH].to_numpy(dtype=object)

    def _join(some: NDArray[np.float32], rows: Integers) -> csr_matrix:
        own = batches[rows].tolist()
        return balanced_graph(some, own, seed=seed, n_threads=arguments.threads).weights

    cluster_again = recluster(
        points,
        resolutions,
        n_neighbours=integration.n_neighbours,
        join=_join if integration.method == "bbknn" else None,
        seed=seed,
        n_threads=arguments.threads,
    )
    found = measure_stability(
        clusters,
        cluster_again,
        n_subsamples=settings.n_subsamples,
        share=settings.subsample_share,
        max_cells=settings.max_cells_in_subsample,
        min_cells_of_cluster=settings.min_cells,
        seed=seed,
    )
    return found, mean_silhouettes(points, clusters, seed=seed)


def _embedding(cohort: _Cohort, path: Path) -> NDArray[np.float32]:
    """Read the embedding that was clustered, in the order of the labels."""
    table = storage.read_table(path, [names.CELL, "harmony_1"])
    columns = [names.CELL, *(column for column in table.columns if column.startswith("harmony_"))]
    joined = storage.join_strictly(cohort.labels[[]], table[columns], path)
    return np.ascontiguousarray(joined.to_numpy(dtype=np.float32))


def _markers(cohort: _Cohort, clusters: list[str], arguments: argparse.Namespace) -> pd.DataFrame:
    """Test the drawn cells, and compare clusters within each patient over all cells."""
    settings: ClusterDescription = arguments.settings
    labels = cohort.labels
    codes = pd.Index(clusters).get_indexer(pd.Index(labels[names.CLUSTER])).astype(np.int64)
    drawn = np.zeros(len(labels), dtype=bool)
    limit = {"max_cells": settings.max_cells_for_markers, "seed": arguments.clustering.seed}
    drawn[draw_evenly(labels.index, labels[names.CLUSTER], labels[names.SAMPLE], **limit)] = True
    sums, tally, expression = _read(cohort, codes, drawn, settings.min_cells_per_patient)
    tests = rank_sum_tests(expression, codes[drawn], len(clusters), n_threads=arguments.threads)
    return marker_table(
        clusters,
        cohort.genes,
        tests,
        sums,
        tally,
        np.bincount(codes[drawn], minlength=len(clusters)),
        n_markers=settings.n_markers,
        min_consistency=settings.min_consistency,
        min_cells=settings.min_cells,
        min_cells_per_patient=settings.min_cells_per_patient,
    )


def _read(
    cohort: _Cohort, codes: Integers, drawn: NDArray[np.bool_], min_cells: int
) -> tuple[ClusterSums, PatientTally, csr_matrix]:
    """Read all counts once; each patient is tallied when all of its blocks are read."""
    over, n_clusters, n_genes = cohort.over, int(codes.max()) + 1, len(cohort.genes)
    parts = zip(over.blocks, over.split(codes), over.split(drawn), strict=True)
    items = [_BlockCells(*part) for part in parts]
    patients = [some[0] for some in over.split(cohort.labels[names.PATIENT].to_numpy(dtype=object))]
    results = zip(patients, over.map(partial(_summarise, cohort.columns, n_clusters), items), strict=True)
    total = nothing = ClusterSums.empty(n_clusters, n_genes)
    tally, expression = PatientTally.empty(n_clusters, n_genes), []
    for _, of_patient in groupby(results, key=itemgetter(0)):
        own = nothing
        for _, (sums, some) in of_patient:
            own = own.joined(sums)
            expression.append(some)
        tally.add(own, min_cells)
        total = total.joined(own)
    return total, tally, sparse.csr_matrix(sparse.vstack(expression, format="csr"))


def _summarise(
    columns: dict[Path, NDArray[np.intp]], n_clusters: int, cells: _BlockCells
) -> tuple[ClusterSums, csr_matrix]:
    """Sum a block by cluster, and normalise the cells that are drawn from it."""
    counts, depths = read_genes(cells.block, columns[cells.block.path])
    sums = sum_clusters(counts, depths, cells.clusters, n_clusters)
    return sums, log_normalise(counts[cells.drawn], cell_totals=depths[cells.drawn])
