"""Step `collect-cells`: join what is known of every kept cell into one table."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.errors import InputError
from stietime.h5ad_parts import read_frame
from stietime.steps.arguments import add_path, add_paths

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--counts", "counts of every sample (h5ad)")
    add_path(parser, "--clusters", "clusters of the kept cells (parquet)")
    add_path(parser, "--cell-types", "cell types of the kept cells (parquet)")
    add_path(parser, "--states", "scores and calls of the kept cells (parquet)")
    add_path(parser, "--output", "what is known of every kept cell (parquet)")


def run(arguments: argparse.Namespace) -> None:
    """Join the tables; every one must hold the same cells.

    Raises
    ------
    InputError
        A table is missing, does not hold the same cells, or holds cells that no sample has.
    """
    types = _columns(arguments.cell_types, [names.CELL, names.LINEAGE, names.CELL_TYPE, names.CONFIDENCE])
    clusters = _columns(arguments.clusters, [names.CELL, names.CLUSTER])
    cells = _sheet_columns(arguments.counts, pd.Index(types[names.CELL], dtype=object))
    for table, path in ((clusters, arguments.clusters), (types, arguments.cell_types)):
        cells = storage.join_strictly(cells, table, path)
    n_columns = _write_with(cells, arguments.states, arguments.output)
    log.info("%d cells of %d samples, %d columns", len(cells), cells[names.SAMPLE].nunique(), n_columns)


def _columns(path: Path, columns: list[str]) -> pd.DataFrame:
    return storage.read_table(path, columns)[columns]


def _write_with(cells: pd.DataFrame, states: Path, output: Path) -> int:
    """Write the cells with all columns of the states, of which a million cells are not held twice.

    Returns
    -------
    The number of columns, without that of the ids.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not states.is_file():
        msg = "the table does not exist"
        raise InputError(msg, states, "run the step `score-states`")
    table = pq.read_table(states, pre_buffer=False)
    if names.CELL not in table.column_names:
        what = f"the table lacks the column {names.CELL}"
        raise InputError(what, states, "delete the file and run again, so that it is made anew")
    ids = pd.Index(table[names.CELL].to_pandas(), dtype=object)
    storage.join_strictly(cells[[]], pd.DataFrame({names.CELL: ids}), states)
    if not ids.equals(cells.index):
        table = table.take(ids.get_indexer(cells.index))
    added = [column for column in table.column_names if column != names.CELL]
    front = cells.drop(columns=[column for column in added if column in cells])
    joined = pa.Table.from_pandas(front.reset_index(names=names.CELL), preserve_index=False)
    types = joined.schema.pandas_metadata
    types["columns"] += [c for c in (table.schema.pandas_metadata or types)["columns"] if c["name"] in added]
    for column in added:
        joined = joined.append_column(table.schema.field(column), table[column])
    with storage.atomic_path(output) as partial:
        pq.write_table(joined.replace_schema_metadata({"pandas": json.dumps(types)}), partial)
    return int(joined.num_columns) - 1


def _sheet_columns(paths: list[Path], kept: pd.Index) -> pd.DataFrame:
    """Read the sheet's columns of the kept cells; columns of the source files are left out.

    A sample that keeps no cell, such as an excluded one, has no row here and adds no column.
    """
    frames = []
    for path in paths:
        obs = read_frame(path, "obs", _columns_of_sheet(path))
        obs = obs[kept.get_indexer(obs.index) >= 0]
        if len(obs):
            frames.append(obs)
        else:
            log.warning("%s: no cell is kept, the sample has no row", path)
    if not frames:
        msg = "no sample has any of the cells"
        raise InputError(msg, "--counts", "give the counts of the samples that the other tables are of")
    columns = dict.fromkeys(column for frame in frames for column in frame.columns)
    index = pd.Index(np.concatenate([frame.index.to_numpy(dtype=object) for frame in frames]), dtype=object)
    if index.has_duplicates:
        msg = f"the cell {index[index.duplicated()][0]} stands twice"
        raise InputError(msg, "--counts", "give the counts of every sample once")
    return pd.DataFrame({column: _stacked(frames, column) for column in columns}, index=index)


def _columns_of_sheet(path: Path) -> list[str]:
    import h5py

    if not path.is_file():
        msg = "the counts do not exist"
        raise InputError(msg, path, "run the step `ingest`")
    with h5py.File(path) as file:
        columns = [str(column) for column in file["obs"].attrs["column-order"]]
    apart = {"given_cell_type", *names.MEASURED_AT_INGEST}
    return [c for c in columns if not c.startswith(names.SOURCE_PREFIX) and c not in apart]


def _stacked(frames: list[pd.DataFrame], column: str) -> pd.Categorical | NDArray[np.object_]:
    """Stack a column of all samples, text as categories: it repeats what the sheet says of each sample."""
    parts = [
        frame[column].astype(object) if column in frame else np.full(len(frame), np.nan, dtype=object)
        for frame in frames
    ]
    values = np.concatenate(parts)
    is_text = pd.api.types.infer_dtype(values, skipna=True) == "string"
    return pd.Categorical(values) if is_text else values
