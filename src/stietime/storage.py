"""Atomic reading and writing of results; what is read is checked against what was promised."""

from __future__ import annotations

import contextlib
import os
import zipfile
from typing import TYPE_CHECKING, Any, Final, cast

import pandas as pd

from stietime import names
from stietime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import anndata as ad
    import h5py
    from scipy.sparse import csr_matrix

# bytes of the same weight stand together, which makes a file of 60 % of the size that is read and written in
# half the time of plain gzip
STORED: Final = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
# for matrices: chunks that are large enough to be read fast, and can be appended to
APPENDED: Final = {**STORED, "chunks": (65_536,)}


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a path beside the target to write to; it becomes the target only when all went well.

    Parameters
    ----------
    path
        The file to make; its folder is made when missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(text: str, path: Path) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table atomically, as parquet or TSV by the name of the file; the index is not written."""
    with atomic_path(path) as partial:
        if path.suffix == ".parquet":
            frame.to_parquet(partial, index=False)
        else:
            frame.to_csv(partial, sep="\t", index=False)


def read_table(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a parquet or TSV table that a step wrote.

    Parameters
    ----------
    path
        The table.
    columns
        Columns that must be there.

    Raises
    ------
    InputError
        The file is missing or a column is.
    """
    if not path.is_file():
        msg = "the table does not exist"
        raise InputError(msg, path, "run the step that writes it")
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path, pre_buffer=False)  # which would hold the whole file beside the table
    else:
        frame = pd.read_csv(path, sep="\t", keep_default_na=False, na_values=["", "NaN", "nan"])
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        what = f"the table lacks the columns {', '.join(missing)}; it has {', '.join(frame.columns)}"
        raise InputError(what, path, "delete the file and run again, so that it is made anew")
    return frame


def write_cells(cells: ad.AnnData, path: Path) -> None:
    """Write an AnnData atomically, with string indices that R readers can open too."""
    import anndata as ad
    import h5py

    with atomic_path(path) as partial, ad.settings.override(allow_write_nullable_strings=False):
        for frame in (cells.obs, cells.var):
            _plain_strings(cast("pd.DataFrame", frame))
        matrix, cells.X = cells.X, None
        try:
            cells.write_h5ad(partial, compression="gzip")
        finally:
            cells.X = matrix
        if matrix is not None:
            with h5py.File(partial, "r+") as file:
                _write_matrix(file, matrix)


def _write_matrix(file: h5py.File, matrix: Any) -> None:  # noqa: ANN401 - sparse or dense
    """Write the matrix of cells; of a sparse one in chunks that are large enough to be read fast."""
    from anndata.io import sparse_dataset, write_elem
    from scipy import sparse

    if isinstance(matrix, (sparse.csr_matrix, sparse.csr_array)) and matrix.nnz:
        write_elem(file, "X", matrix[:0], dataset_kwargs=APPENDED)
        cast("Any", sparse_dataset(file["X"])).append(matrix)
    else:
        write_elem(file, "X", matrix, dataset_kwargs=STORED)


def append_cells(path: Path, blocks: Iterable[Mapping[str, csr_matrix]], *, n_entries: int) -> None:
    """Write matrices of cells into an h5ad, some cells at a time, so that they are never held as a whole.

    Parameters
    ----------
    path
        The h5ad, written without these matrices. It is changed in place: give one that no reader knows yet.
    blocks
        Next rows of each matrix, by slot, such as `X` or `layers/counts`.
    n_entries
        At most how many entries a matrix has in the end.
    """
    import h5py
    import numpy as np
    from anndata.io import sparse_dataset, write_elem

    pointers = np.int64 if n_entries > np.iinfo(np.int32).max else np.int32
    with h5py.File(path, "r+") as file:
        for block in blocks:
            for slot, rows in block.items():
                group, _, name = f"/{slot}".rpartition("/")
                if slot not in file:
                    how = {**APPENDED, "indptr_dtype": pointers}
                    write_elem(file[group or "/"], name, rows[:0], dataset_kwargs=how)
                cast("Any", sparse_dataset(file[slot])).append(rows)


def write_graph(graph: csr_matrix, path: Path) -> None:
    """Write weights between neighbours, cells x cells."""
    from scipy import sparse

    with atomic_path(path) as partial:
        sparse.save_npz(partial, graph, compressed=False)  # which takes a tenth of the time


def read_graph(path: Path, n_cells: int) -> csr_matrix:
    """Read weights between neighbours.

    Parameters
    ----------
    path
        Written by `write_graph`.
    n_cells
        Number of cells that the graph must be of.

    Raises
    ------
    InputError
        The file is missing or no sparse matrix, or the graph is of another number of cells.
    """
    from scipy import sparse

    if not path.is_file():
        raise InputError("the graph does not exist", path, "run the step `integrate`")  # noqa: EM101
    try:
        graph = sparse.csr_matrix(sparse.load_npz(path))
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        what = f"not a sparse matrix: {error}"
        raise InputError(what, path, "delete the file and run again, so that it is made anew") from None
    if graph.shape != (n_cells, n_cells):
        what = f"the graph is {graph.shape[0]} x {graph.shape[1]}, the embedding has {n_cells} cells"
        raise InputError(what, path, "delete both and run again, so that they are made together")
    return graph


def _plain_strings(frame: pd.DataFrame) -> None:
    """Turn pandas' string columns and index into plain objects or categories, in place."""
    frame.index = pd.Index(frame.index.to_numpy(dtype=object), dtype=object)
    for column in frame.columns:
        if isinstance(frame[column].dtype, pd.StringDtype):
            frame[column] = frame[column].astype(object).astype("category")


def read_cells(counts: Path, *additions: Path) -> ad.AnnData:
    """Read the counts of one sample with columns that later steps added, joined strictly by cell.

    Parameters
    ----------
    counts
        A `counts.h5ad`; `X` holds integer counts (cells x genes).
    additions
        Parquet tables with a column `cell`.

    Returns
    -------
    The AnnData with the columns of the additions in `obs`.

    Raises
    ------
    InputError
        A file is missing, or a table does not hold exactly the cells of the counts.
    """
    import anndata as ad

    if not counts.is_file():
        msg = "the counts do not exist"
        raise InputError(msg, counts, "run the step `ingest`")
    cells = ad.read_h5ad(counts)
    for path in additions:
        table = read_table(path, [names.CELL])
        cells.obs = join_strictly(cast("pd.DataFrame", cells.obs), table, path)
    return cells


def join_strictly(obs: pd.DataFrame, table: pd.DataFrame, where: object) -> pd.DataFrame:
    """Add the columns of a per-cell table to obs; a missing or an extra cell is an error.

    Parameters
    ----------
    obs
        One row per cell, cell ids as index.
    table
        One row per cell with the column `cell`.
    where
        The file of the table, for messages.

    Raises
    ------
    InputError
        The two do not hold the same cells, or a cell stands twice.
    """
    added = table.set_index(names.CELL)
    fix = "delete the file and run again, so that it is made from the same cells"
    if added.index.has_duplicates:
        twice = added.index[added.index.duplicated()][0]
        msg = f"the cell {twice} stands twice"
        raise InputError(msg, where, fix)
    if not obs.index.equals(added.index):
        missing = obs.index.difference(added.index)
        extra = added.index.difference(obs.index)
        if len(missing) or len(extra):
            example = [*missing[:1], *extra[:1]][0]
            what = f"{len(missing)} cells are missing and {len(extra)} are extra, such as {example}"
            raise InputError(what, where, fix)
        added = added.reindex(obs.index)
    kept = obs.drop(columns=[column for column in added.columns if column in obs.columns])
    return pd.concat([kept, added], axis=1)


def stack_tables(paths: Iterable[Path], columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read tables of the same kind and stack them, in the order given."""
    return pd.concat([read_table(path, columns) for path in paths], ignore_index=True)


def cell_table(index: pd.Index, **columns: Any) -> pd.DataFrame:  # noqa: ANN401 - any column values
    """Make a per-cell table with the column `cell` first.

    Parameters
    ----------
    index
        Cell ids.
    columns
        Values in the order of the ids.
    """
    return pd.DataFrame({names.CELL: index.to_numpy(dtype=object), **columns})
