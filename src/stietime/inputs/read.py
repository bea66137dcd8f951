"""One way to read every format: open, prepare (all checks that need no counts), then read the counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.errors import InputError
from stietime.inputs.areas import Areas, find_areas
from stietime.inputs.cell_table import open_cell_table
from stietime.inputs.cell_types import given_cell_types
from stietime.inputs.contents import require_cells
from stietime.inputs.counts import check_counts, problem_with, to_counts
from stietime.inputs.gene_names import GeneNames, current_symbols, merge_genes
from stietime.inputs.h5ad import FORMAT as H5AD
from stietime.inputs.h5ad import open_h5ad
from stietime.inputs.log_values import LOG1P, Facts, check_log, recover_counts
from stietime.inputs.positions import positions_um
from stietime.inputs.spot_table import open_spot_table
from stietime.inputs.subset import as_text, rows_of_subset
from stietime.inputs.tenx_h5 import open_tenx_h5
from stietime.inputs.tenx_mtx import open_tenx_mtx

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    import anndata as ad
    from numpy.typing import NDArray
    from scipy import sparse

    from stietime.inputs.contents import Contents

READERS: Final[dict[str, Callable[[Path], Contents]]] = {
    "h5ad": open_h5ad,
    "10x_h5": open_tenx_h5,
    "10x_mtx": open_tenx_mtx,
    "cell_table": open_cell_table,
    "spot_table": open_spot_table,
}
GIVEN_CELL_TYPE: Final = "given_cell_type"
PCT_INTRONIC: Final = "pct_intronic"
NEGATIVE_COUNTS: Final = "n_negative_probe_counts"


@dataclass(frozen=True)
class ReadingOptions:
    """How one sample is read from its file.

    Parameters
    ----------
    subset
        Rows to take, as `column=value; column=value`; empty for all.
    species
        human or mouse.
    aliases
        Old gene names, each with the current symbol.
    max_genes_missing_symbol_fraction
        Largest share of genes that may be without a symbol.
    with_positions
        Whether positions are needed, as for a tissue section.
    x_column, y_column
        Columns that hold them.
    um_per_unit
        Micrometres per unit of the positions.
    cell_type_column
        Column with the authors' cell types; empty when there is none.
    cell_type_names
        The authors' names, each with the name used here.
    known_cell_types
        Names used here.
    """

    subset: str = ""
    species: str = "human"
    aliases: Mapping[str, str] = field(default_factory=dict)
    max_genes_missing_symbol_fraction: float = 0.5
    with_positions: bool = False
    x_column: str = "x"
    y_column: str = "y"
    um_per_unit: float = 1.0
    cell_type_column: str = ""
    cell_type_names: Mapping[str, str] = field(default_factory=dict)
    known_cell_types: Collection[str] = ()


@dataclass(frozen=True)
class Prepared:
    """A sample whose names, positions and cell types are read and checked, and whose counts can be read."""

    contents: Contents
    rows: NDArray[np.intp]
    genes: GeneNames
    positions: NDArray[np.float64] | None
    cell_types: pd.Series | None
    areas: dict[str, Areas] = field(default_factory=dict)

    @property
    def n_genes(self) -> int:
        """Number of genes after those with the same symbol are summed."""
        return len(set(self.genes.symbols[~self.genes.is_control]))


def open_input(path: Path, file_format: str, values: str = "counts") -> Contents:
    """Open a file by the name of its format.

    Parameters
    ----------
    path
        The file or folder.
    file_format
        One of `READERS`.
    values
        `counts`, or `log1p`: a file that holds no counts may hold log1p of normalised ones.

    Raises
    ------
    InputError
        The format is not known, or the file is not what it says.
    """
    if file_format not in READERS:
        what = f"the format {file_format!r} is not known"
        raise InputError(what, path, f"use one of {', '.join(READERS)}")
    if file_format == H5AD:
        return open_h5ad(path, values)
    contents = READERS[file_format](path)
    if values != LOG1P or contents.var.empty:
        return contents
    return replace(contents, is_log=bool(problem_with(contents.glance())))


def prepare(contents: Contents, options: ReadingOptions) -> Prepared:
    """Choose the rows of a sample and check everything but the counts.

    Raises
    ------
    InputError
        No or doubled cells, wrong genes, missing positions or cell types.
    """
    where = contents.path
    rows = rows_of_subset(contents.obs, options.subset, where)
    obs = contents.obs.iloc[rows]
    _check_barcodes(obs.index, where)
    genes = GeneNames(np.empty(0, dtype=object), 0, 0, np.empty(0, dtype=bool))
    if len(contents.var):
        missing = options.max_genes_missing_symbol_fraction
        genes = current_symbols(
            contents.var, options.aliases, where, species=options.species, max_missing_fraction=missing
        )
    positions = _positions(contents, rows, options) if options.with_positions else None
    cell_types = None
    if options.cell_type_column:
        cell_types = given_cell_types(
            obs, options.cell_type_column, options.cell_type_names, options.known_cell_types, where
        )
    areas = find_areas(obs, options.um_per_unit) if options.with_positions else {}
    return Prepared(contents, rows, genes, positions, cell_types, areas)


def _check_barcodes(barcodes: pd.Index, where: object) -> None:
    require_cells(len(barcodes), where)
    twice = barcodes[barcodes.duplicated()]
    if len(twice):
        what = f"{twice.nunique()} barcodes stand more than once, such as {twice[0]}"
        fix = "take one sample of a joined file by the column `subset`, or make the barcodes unique"
        raise InputError(what, where, fix)


def _positions(contents: Contents, rows: NDArray[np.intp], options: ReadingOptions) -> NDArray[np.float64]:
    return positions_um(
        contents.obs.iloc[rows],
        None if contents.positions is None else contents.positions[rows],
        contents.path,
        x_column=options.x_column,
        y_column=options.y_column,
        um_per_unit=options.um_per_unit,
    )


def glance(contents: Contents) -> None:
    """Check some of the values of a file without reading them all.

    Raises
    ------
    InputError
        They are not counts, or not what counts can be recovered from.
    """
    if len(contents.var):
        check = check_log if contents.is_log else check_counts
        check(contents.glance(), contents.path)


def read_prepared(prepared: Prepared) -> ad.AnnData:
    """Read the counts of a sample and put everything together.

    Returns
    -------
    `X` int32 counts (cells x unique current symbols), `obs` the file's own columns as `source_<name>` and
    `given_cell_type`, `pct_intronic` where the file has spliced and unspliced counts,
    `n_negative_probe_counts` where it has control probes (which are no genes), `area_um2` and
    `nucleus_area_um2` where a section has them, `obsm["spatial"]` micrometres, `uns["ingest"]` what was read
    and changed.

    Raises
    ------
    InputError
        The counts are not whole, not finite, negative, or all zero; or none can be recovered from log values.
    """
    import anndata as ad

    contents, genes = prepared.contents, prepared.genes
    matrix, recovered = contents.counts(prepared.rows), Facts()
    if contents.is_log:
        matrix, recovered = recover_counts(matrix, contents.obs.iloc[prepared.rows], contents.path)
    if len(contents.var):
        matrix = to_counts(matrix, contents.path)
    controls = matrix[:, np.flatnonzero(genes.is_control)]
    matrix, symbols = merge_genes(
        matrix[:, np.flatnonzero(~genes.is_control)], genes.symbols[~genes.is_control]
    )
    obs = source_columns(contents.obs.iloc[prepared.rows])
    if prepared.cell_types is not None:
        obs[GIVEN_CELL_TYPE] = prepared.cell_types.to_numpy()
    if contents.intronic is not None:
        obs[PCT_INTRONIC] = contents.intronic(prepared.rows)
    if controls.shape[1]:
        obs[NEGATIVE_COUNTS] = np.asarray(controls.sum(axis=1), dtype=np.int64).ravel()
    obs = obs.assign(**{name: areas.um2 for name, areas in prepared.areas.items()})
    cells = ad.AnnData(X=matrix, obs=obs, var=pd.DataFrame(index=pd.Index(symbols, dtype=object)))
    if prepared.positions is not None:
        cells.obsm[names.SPATIAL_SLOT] = prepared.positions
    cells.uns["ingest"] = {**contents.facts, **recovered, **_numbers(prepared, matrix)}
    return cells


def _numbers(prepared: Prepared, matrix: sparse.csr_matrix) -> dict[str, str | int]:
    contents, genes = prepared.contents, prepared.genes
    n_per_cell = np.diff(matrix.indptr)
    return {
        "n_cells_in_file": len(contents.obs),
        "n_cells": len(prepared.rows),
        "n_cells_without_counts": int((n_per_cell == 0).sum()) if len(contents.var) else 0,
        "n_genes_in_file": len(contents.var),
        "n_genes": matrix.shape[1],
        "n_negative_probes": int(genes.is_control.sum()),
        "n_genes_renamed": genes.n_renamed,
        "n_genes_merged": int((~genes.is_control).sum()) - matrix.shape[1],
        "n_genes_without_symbol": genes.n_without_symbol,
        **{f"{name}_from": areas.source for name, areas in prepared.areas.items()},
    }


def source_columns(obs: pd.DataFrame) -> pd.DataFrame:
    """Keep a file's own columns under `source_<name>`, in types that every h5ad can hold.

    Parameters
    ----------
    obs
        One row per cell.

    Returns
    -------
    The same rows; text, dates and mixed values are text, `/` in a name is `_`.
    """
    columns = {}
    for column in obs.columns:
        values = obs[column]
        plain = values.dtype.kind in "biuf" if isinstance(values.dtype, np.dtype) else False
        name = f"{names.SOURCE_PREFIX}{str(column).replace('/', '_')}"
        while name in columns:
            name += "_"
        columns[name] = values if plain else as_text(values).astype("category")
    return pd.DataFrame(columns, index=obs.index)
