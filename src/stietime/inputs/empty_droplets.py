"""Counts of the empty droplets of a capture, from the unfiltered matrix beside that of its cells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.errors import InputError
from stietime.inputs.counts import to_counts
from stietime.inputs.gene_names import current_symbols, merge_genes
from stietime.inputs.read import glance, open_input

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stietime.inputs.contents import Contents
    from stietime.inputs.gene_names import GeneNames
    from stietime.inputs.read import ReadingOptions

MAX_COUNTS: Final = 100  # of a droplet without a cell, as EmptyDrops (Lun et al. 2019) has it
BARCODE: Final = re.compile(r"(?<![A-Za-z])[ACGT]{8,}(?![A-Za-z])")  # without the words of a joined file
FIX: Final = "give the unfiltered matrix of the same capture and annotation, or leave raw_path empty"


@dataclass(frozen=True)
class RawMatrix:
    """An unfiltered matrix whose names are read and fit the sample.

    Parameters
    ----------
    contents
        The open file.
    genes
        Current symbols of its genes.
    is_cell
        Which of its droplets are cells of the sample.
    """

    contents: Contents
    genes: GeneNames
    is_cell: NDArray[np.bool_]


@dataclass(frozen=True)
class EmptyDroplets:
    """What the empty droplets hold.

    Parameters
    ----------
    counts
        Their counts per gene of the sample (int64).
    n_droplets
        Number of droplets of 1 to `MAX_COUNTS` counts that are no cells of the sample.
    """

    counts: NDArray[np.int64]
    n_droplets: int


def raw_format(path: Path) -> str:
    """Tell the format of an unfiltered matrix from its path.

    Raises
    ------
    InputError
        Nothing is there, or it is neither a folder nor an .mtx, .h5 or .h5ad file.
    """
    if not path.exists():
        what = "the unfiltered matrix does not exist"
        raise InputError(what, path, "mend raw_path in the sample sheet, or leave it empty")
    name = path.name.lower()
    if path.is_dir() or name.endswith((".mtx", ".mtx.gz")):
        return "10x_mtx"
    formats = {".h5ad": "h5ad", ".h5": "10x_h5"}
    if path.suffix.lower() not in formats:
        what = f"the format of the unfiltered matrix cannot be told from the name {path.name}"
        raise InputError(what, path, "give a folder of a Matrix Market matrix, or a file .h5 or .h5ad")
    return formats[path.suffix.lower()]


def open_raw(
    path: Path, barcodes: pd.Index, symbols: NDArray[np.object_], options: ReadingOptions
) -> RawMatrix:
    """Open an unfiltered matrix and check all but its counts.

    Parameters
    ----------
    path
        A Matrix Market folder, a CellRanger `.h5` or an `.h5ad`.
    barcodes
        The sample's cells, as its own file names them.
    symbols
        The sample's genes; one may stand more than once.
    options
        As the sample itself is read.

    Raises
    ------
    InputError
        The file is missing or no matrix of counts, lacks genes of the sample, or none of the sample's cells
        is among its droplets.
    """
    contents = open_input(path, raw_format(path))
    glance(contents)
    genes = current_symbols(
        contents.var,
        options.aliases,
        path,
        species=options.species,
        max_missing_fraction=options.max_genes_missing_symbol_fraction,
    )
    missing = pd.Index(symbols).difference(pd.Index(genes.symbols[~genes.is_control]), sort=False)
    if len(missing):
        what = f"the unfiltered matrix has other genes: {len(missing)} of {len(symbols)} are not in it"
        msg = f"{what}, such as {missing[0]}"
        raise InputError(msg, path, FIX)
    is_cell = _cells_among(contents.obs.index, barcodes)
    if not is_cell.any():
        what = (
            f"none of the {len(barcodes)} cells, such as {barcodes[0]}, is among the {len(is_cell)} droplets"
            f" of the unfiltered matrix, such as {contents.obs.index[0]}"
        )
        raise InputError(what, path, FIX)
    return RawMatrix(contents, genes, is_cell)


def _cells_among(droplets: pd.Index, barcodes: pd.Index) -> NDArray[np.bool_]:
    """Find the cells by name, else by the bare sequences of their barcodes."""
    found = droplets.isin(barcodes)
    if found.any():
        return np.asarray(found)
    bare = {_bare(barcode) for barcode in barcodes} - {""}
    return np.array([_bare(droplet) in bare for droplet in droplets], dtype=bool)


def _bare(barcode: object) -> str:
    return "_".join(BARCODE.findall(str(barcode)))


def sum_empty_droplets(raw: RawMatrix, symbols: NDArray[np.object_]) -> EmptyDroplets:
    """Sum the counts of the droplets that hold no cell.

    Parameters
    ----------
    raw
        As `open_raw` returns it.
    symbols
        The sample's genes, unique; the result is in their order.

    Raises
    ------
    InputError
        The values are no counts, or there is no empty droplet.
    """
    path = raw.contents.path
    matrix = to_counts(raw.contents.counts(np.arange(len(raw.is_cell))), path)
    is_gene = ~raw.genes.is_control
    matrix, found = merge_genes(matrix[:, np.flatnonzero(is_gene)], raw.genes.symbols[is_gene])
    depth = np.asarray(matrix.sum(axis=1), dtype=np.int64).ravel()
    empty = (depth > 0) & (depth <= MAX_COUNTS) & ~raw.is_cell
    if not empty.any():
        what = (
            f"no droplet beside the cells has 1 to {MAX_COUNTS} counts: it is filtered, or the sample is not"
        )
        raise InputError(what, path, FIX)
    sums = np.asarray(matrix[np.flatnonzero(empty)].sum(axis=0), dtype=np.int64).ravel()
    return EmptyDroplets(sums[pd.Index(found).get_indexer(pd.Index(symbols))], int(empty.sum()))
