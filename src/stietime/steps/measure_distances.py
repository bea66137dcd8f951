"""Measure how far the cell types of one section are from each other: cross-K and nearest distances."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import numpy as np

from stietime import storage
from stietime.settings import Spatial
from stietime.steps.arguments import add_path, add_settings
from stietime.steps.find_neighbourhoods import distances_of, fields_of, labels_of, positions_of
from stietime.tissue.pairs import co_occurrence, cross_k, nearest

if TYPE_CHECKING:
    import argparse

    import pandas as pd

LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts.h5ad of the section, with positions in micrometres")
    add_path(parser, "--cell-types", "cell_types.parquet of the section")
    add_settings(parser, Spatial)
    add_path(parser, "--cross-k", "table of cross-K by distance to write (TSV)")
    add_path(parser, "--nearest", "table of nearest distances to write (TSV)")


def run(arguments: argparse.Namespace) -> None:
    """Read a section with its cell types and write how far they are from each other."""
    settings: Spatial = arguments.settings
    cells = storage.read_cells(arguments.counts, arguments.cell_types)
    obs = cast("pd.DataFrame", cells.obs)
    positions = positions_of(cells, arguments.counts)
    _, cell_type = labels_of(obs, arguments.cell_types)
    fields = fields_of(obs, settings, arguments.counts)
    distances = distances_of(settings)
    types, fine = co_occurrence.count_pairs_of_types(
        positions,
        cell_type,
        cross_k.fine_distances(distances),
        fields=fields,
        n_threads=arguments.threads,
    )
    n_cells = np.asarray(cell_type.value_counts().reindex(types), dtype=np.int64)
    window = cross_k.Window.of(positions, fields)
    profiles = cross_k.cross_k_table(types, n_cells, fine, distances, window)
    near = nearest.nearest_table(
        positions, cell_type, settings.radius_um, fields=fields, n_threads=arguments.threads
    )
    storage.write_table(profiles, arguments.cross_k)
    storage.write_table(near, arguments.nearest)
    tested = int(near["p"].notna().sum())
    LOG.info("%d types over %.3f mm2; %d nearest distances tested", len(types), window.area_um2 / 1e6, tested)
