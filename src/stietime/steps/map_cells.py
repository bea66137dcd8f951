"""Step `map-cells`: give every cell of a tissue section a lineage and a cell type."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.cells.annotation import lineage_genes
from stietime.cells.classify import MarkerCounts
from stietime.cells.marker_sets import positions
from stietime.errors import InputError
from stietime.resources import read_markers
from stietime.settings import Annotation
from stietime.steps.annotate import MARKERS, KeptCells, by_given, by_markers, log_types, read_all, species_of
from stietime.steps.arguments import add_path, add_settings

if TYPE_CHECKING:
    import argparse

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of the section (h5ad)")
    add_settings(parser, Annotation)
    add_path(parser, "--output", "cell types of the section (parquet)")


def run(arguments: argparse.Namespace) -> None:
    """Annotate all cells of the section by themselves.

    Raises
    ------
    InputError
        Marker sets are asked for, and the section has no marker genes.
    """
    settings: Annotation = arguments.settings
    section = read_all(arguments.counts)
    species = species_of([section.obs], section.path)
    if settings.method == MARKERS:
        types = by_markers(_marker_counts(section), species, settings, None)
    else:
        types = by_given(section.obs, species, section.path)
    types.insert(0, names.CELL, section.obs.index.to_numpy(dtype=object))
    columns = [names.CELL, names.LINEAGE, names.CELL_TYPE, names.CONFIDENCE]
    storage.write_table(types[columns], arguments.output)
    log_types(types)


def _marker_counts(section: KeptCells) -> MarkerCounts:
    wanted = lineage_genes(read_markers(species_of([section.obs], section.path)), section.genes)
    if not wanted:
        what = f"the section has {len(section.genes)} genes and none of the marker sets"
        fix = "set annotation.method to given, and name the column with the types in inputs.cell_type_column"
        raise InputError(what, section.path, fix)
    counts = sparse.csr_matrix(section.counts[:, positions(section.genes, wanted)], dtype=np.float64)
    totals = np.asarray(section.counts.sum(axis=1), dtype=np.float64).ravel()
    return MarkerCounts(counts, pd.Index(wanted), totals)
