"""Read one sample in any format into integer counts with current gene symbols."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from stietime import names
from stietime.inputs.empty_droplets import MAX_COUNTS, open_raw, sum_empty_droplets
from stietime.inputs.read import ReadingOptions, open_input, prepare, read_prepared
from stietime.resources import Species, read_gene_aliases, read_markers
from stietime.sample import Sample
from stietime.settings import Inputs
from stietime.steps.arguments import add_path, add_settings
from stietime.storage import write_cells

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    import anndata as ad
    from scipy.sparse import csr_matrix


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_sample(parser, "--sample")
    add_settings(parser, Inputs)
    add_path(parser, "--output", "counts.h5ad to write")


def add_sample(parser: argparse.ArgumentParser, name: str) -> None:
    """Add an argument that takes a row of the sample sheet as JSON."""
    text = "row of the sample sheet as JSON"
    parser.add_argument(name, type=Sample.from_json, required=True, dest="sample", metavar="JSON", help=text)


def run(arguments: argparse.Namespace) -> None:
    """Read the sample and write its counts."""
    write_cells(read_row(arguments.sample, arguments.settings), arguments.output)


@lru_cache
def _vocabulary(species: Species) -> tuple[dict[str, str], frozenset[str]]:
    """Read the old gene names and the names of cell types once for all samples."""
    return read_gene_aliases(species), frozenset(read_markers(species)["set_id"])


def reading_options(sample: Sample, settings: Inputs) -> ReadingOptions:
    """Say how a row of the sample sheet is read.

    Parameters
    ----------
    sample
        The row; a section is read with positions.
    settings
        The group `inputs` of the configuration.
    """
    aliases, known_cell_types = _vocabulary(sample.species)
    return ReadingOptions(
        subset=sample.subset,
        species=sample.species,
        aliases=aliases,
        max_genes_missing_symbol_fraction=settings.max_genes_missing_symbol_fraction,
        with_positions=sample.modality == names.SECTION,
        x_column=settings.x_column,
        y_column=settings.y_column,
        um_per_unit=settings.um_per_unit,
        cell_type_column=settings.cell_type_column,
        cell_type_names=settings.cell_type_names,
        known_cell_types=known_cell_types,
    )


def read_row(sample: Sample, settings: Inputs) -> ad.AnnData:
    """Read the file of a row and label every cell with the row's columns.

    Returns
    -------
    Counts (cells x genes), cells named `sample:barcode`, columns of the sheet before those of the file.

    Raises
    ------
    InputError
        The file is not what its format says, or does not hold counts; or the unfiltered matrix of `raw_path`
        does not fit it.
    """
    contents = open_input(sample.file, sample.format, settings.values)
    options = reading_options(sample, settings)
    cells = read_prepared(prepare(contents, options))
    if sample.modality == names.CELLS:
        cells = _without_unused_barcodes(cells)
    if sample.raw_file is not None:
        _add_empty_droplets(cells, sample.raw_file, options)
    own = cast("pd.DataFrame", cells.obs)
    carried = sample.carried()
    obs = pd.DataFrame({key: pd.Categorical([value] * len(own)) for key, value in carried.items()})
    cells.obs = pd.concat([obs.set_index(own.index), own], axis=1)
    cells.obs_names = [names.cell_id(sample.sample, barcode) for barcode in cells.obs_names]
    row = {"path": sample.path, "format": sample.format, "subset": sample.subset, "raw_path": sample.raw_path}
    cells.uns["ingest"] = {**row, **cells.uns["ingest"]}
    facts = ", ".join(f"{key} {value}" for key, value in cells.uns["ingest"].items() if value != "")
    logging.getLogger(__name__).info("%s: %s", sample.sample, facts)
    return cells


def _without_unused_barcodes(cells: ad.AnnData) -> ad.AnnData:
    """Leave out the barcodes of an unfiltered matrix that no molecule bears; in one of cells all stay."""
    from stietime.cells.quality.empty_droplets import looks_unfiltered

    counts = cast("csr_matrix", cells.X)
    used = np.diff(counts.indptr) > 0
    if used.all() or not looks_unfiltered(counts, max_counts_empty_droplet=MAX_COUNTS):
        return cells
    left = cast("ad.AnnData", cells[used].copy())
    left.uns["ingest"] |= {"n_barcodes_left_out": int((~used).sum()), "n_cells_without_counts": 0}
    left.uns["ingest"]["n_cells"] = left.n_obs
    return left


def _add_empty_droplets(cells: ad.AnnData, path: Path, options: ReadingOptions) -> None:
    """Sum the empty droplets of the unfiltered matrix into `var`."""
    symbols = cells.var_names.to_numpy(dtype=object)
    raw = open_raw(path, pd.Index(cells.obs_names), symbols, options)
    empty = sum_empty_droplets(raw, symbols)
    cells.var["empty_droplet_counts"] = empty.counts
    cells.uns["ingest"]["n_empty_droplets"] = empty.n_droplets
    cells.uns["ingest"]["n_cells_in_raw_matrix"] = int(raw.is_cell.sum())
