"""Step `map-cells`: give every cell of a tissue section a lineage and a cell type."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.cells.marker_sets import positions
from stietime.cells.types.annotation import lineage_genes
from stietime.cells.types.classify import MarkerCounts
from stietime.errors import InputError
from stietime.resources import Species, read_markers
from stietime.settings import Annotation
from stietime.steps.annotate import (
    GIVEN_BY_AUTHORS,
    KeptCells,
    by_given,
    by_markers,
    log_types,
    read_all,
)
from stietime.steps.arguments import add_path, add_settings
from stietime.steps.kept_cells import species_of
from stietime.steps.model_types import open_model, types_by

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of the section (h5ad)")
    text = "quality of the section (parquet); without it every cell is given a type"
    parser.add_argument("--quality", type=Path, metavar="FILE", help=text)
    add_settings(parser, Annotation)
    add_path(parser, "--output", "cell types of the section (parquet)")


def run(arguments: argparse.Namespace) -> None:
    """Annotate the cells of the section by themselves; those that are not kept are of unknown type.

    Raises
    ------
    InputError
        Marker sets are asked for, and the section has no marker genes.
    """
    settings: Annotation = arguments.settings
    section = read_all(arguments.counts)
    keep = kept_cells(section, arguments.quality)
    kept = replace(section, counts=section.counts[np.flatnonzero(keep)], obs=section.obs[keep])
    species = species_of([section.obs], section.path)
    if settings.method == GIVEN_BY_AUTHORS:
        types = by_given(kept.obs, species, section.path)
    elif not keep.any():
        types = None
    elif settings.takes_over:
        types = _by_model(kept, settings, species)
    else:
        types = by_markers(_marker_counts(kept), species, settings)
    table = _with_unknown(types, keep)
    table.insert(0, names.CELL, section.obs.index.to_numpy(dtype=object))
    storage.write_table(table, arguments.output)
    log_types(table)


def kept_cells(section: KeptCells, quality: Path | None) -> NDArray[np.bool_]:
    """Say which cells quality control kept; the others keep their place, and the log counts them."""
    if quality is None:
        return np.ones(len(section.obs), dtype=bool)
    table = storage.read_table(quality, [names.CELL, names.KEEP, names.REASON])
    joined = storage.join_strictly(section.obs[[]], table, quality)
    keep = joined[names.KEEP].to_numpy(dtype=bool)
    counts = joined.loc[~keep, names.REASON].value_counts()
    if len(counts):
        told = ", ".join(f"{reason} {n}" for reason, n in counts.items())
        log.info(
            "%d of %d cells are not kept (%s): they keep their place, and their type is unknown",
            (~keep).sum(),
            len(keep),
            told,
        )
    return keep


def _with_unknown(types: pd.DataFrame | None, keep: NDArray[np.bool_]) -> pd.DataFrame:
    """Put the types of the kept cells among the cells that are of unknown type."""
    table = pd.DataFrame(
        {
            names.LINEAGE: np.full(len(keep), names.UNKNOWN, dtype=object),
            names.CELL_TYPE: np.full(len(keep), names.UNKNOWN, dtype=object),
            names.CONFIDENCE: np.zeros(len(keep)),
        }
    )
    if types is not None:
        table.loc[keep] = types[list(table.columns)].to_numpy(dtype=object)
    return table.astype({names.CONFIDENCE: float})


def _by_model(section: KeptCells, settings: Annotation, species: Species) -> pd.DataFrame:
    model = open_model(settings, species, list(section.genes))
    totals = np.asarray(section.counts.sum(axis=1), dtype=np.float64).ravel()
    counts = sparse.csr_matrix(section.counts[:, positions(section.genes, model.model.genes)])
    return types_by(model, counts, totals, settings.min_confidence)


def _marker_counts(section: KeptCells) -> MarkerCounts:
    wanted = lineage_genes(read_markers(species_of([section.obs], section.path)), section.genes)
    if not wanted:
        what = f"the section has {len(section.genes)} genes and none of the marker sets"
        fix = "set annotation.method to given, and name the column with the types in inputs.cell_type_column"
        raise InputError(what, section.path, fix)
    counts = sparse.csr_matrix(section.counts[:, positions(section.genes, wanted)], dtype=np.float64)
    totals = np.asarray(section.counts.sum(axis=1), dtype=np.float64).ravel()
    return MarkerCounts(counts, pd.Index(wanted), totals)
