"""Step `cluster`: cluster the neighbour graph at several resolutions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stietime import names, storage
from stietime.cells.clusters.clustering import column_of, find_clusters
from stietime.settings import Clustering
from stietime.steps.arguments import add_path, add_settings

if TYPE_CHECKING:
    import argparse

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--embedding", "embedding of the kept cells (parquet)")
    add_path(parser, "--graph", "weights between neighbours, rows as in the embedding (npz)")
    add_settings(parser, Clustering)
    add_path(parser, "--output", "clusters of the kept cells (parquet)")


def run(arguments: argparse.Namespace) -> None:
    """Cluster the kept cells.

    Raises
    ------
    InputError
        The graph and the embedding are not of the same cells.
    """
    settings: Clustering = arguments.settings
    cells = storage.read_table(arguments.embedding, [names.CELL])[names.CELL]
    graph = storage.read_graph(arguments.graph, len(cells))
    resolutions = (settings.resolution, *settings.other_resolutions)
    clusters = find_clusters(graph, resolutions, seed=settings.seed, n_processes=arguments.threads)
    clusters.insert(0, names.CELL, cells.to_numpy(dtype=object))
    clusters.insert(1, names.CLUSTER, clusters[column_of(settings.resolution)])
    storage.write_table(clusters, arguments.output)
    log.info("%d cells in %d clusters", len(cells), clusters[names.CLUSTER].nunique())
