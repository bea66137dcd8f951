"""Step `collect-cells`: join what is known of every kept cell into one table."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.errors import InputError
from stietime.steps.arguments import add_path, add_paths

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

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
    clusters = storage.read_table(arguments.clusters, [names.CELL, names.CLUSTER])
    types = storage.read_table(arguments.cell_types, [names.CELL, names.LINEAGE, names.CELL_TYPE])
    states = storage.read_table(arguments.states, [names.CELL])
    wanted = [names.CLUSTER, names.LINEAGE, names.CELL_TYPE, names.CONFIDENCE]
    cells = types.set_index(names.CELL)
    cells = storage.join_strictly(cells, clusters[[names.CELL, names.CLUSTER]], arguments.clusters)[wanted]
    sheet = _sheet_columns(arguments.counts, cells.index)
    cells = storage.join_strictly(sheet, cells.reset_index(names=names.CELL), arguments.cell_types)
    cells = storage.join_strictly(cells, states, arguments.states)
    storage.write_table(cells.reset_index(names=names.CELL), arguments.output)
    log.info("%d cells of %d samples, %d columns", len(cells), cells[names.SAMPLE].nunique(), cells.shape[1])


def read_part(path: Path, part: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read the labels of the cells (`obs`) or of the genes (`var`) of a file, without its counts.

    Parameters
    ----------
    path
        A `counts.h5ad`.
    part
        obs or var.
    columns
        Columns to read, where they are there; the index alone for an empty list, all when left out.

    Raises
    ------
    InputError
        The file is missing.
    """
    import h5py
    from anndata.io import read_elem

    if not path.is_file():
        msg = "the counts do not exist"
        raise InputError(msg, path, "run the step `ingest`")
    with h5py.File(path, "r") as file:
        frame = file[part]
        if columns is None:
            return cast("pd.DataFrame", read_elem(frame))
        index = np.asarray(read_elem(frame[frame.attrs["_index"]]), dtype=object)
        found = {column: read_elem(frame[column]) for column in columns if column in frame}
        return pd.DataFrame(found, index=index)


def _sheet_columns(paths: list[Path], kept: pd.Index) -> pd.DataFrame:
    """Read the sheet's columns of the kept cells; columns of the source files are left out.

    A sample that keeps no cell, such as an excluded one, has no row here and adds no column.
    """
    frames = []
    for path in paths:
        obs = read_part(path, "obs")
        obs = obs[obs.index.isin(kept)]
        apart = {"given_cell_type", *names.MEASURED_AT_INGEST}
        columns = [c for c in obs.columns if not c.startswith(names.SOURCE_PREFIX) and c not in apart]
        if len(obs):
            frames.append(obs[columns].astype(object))
        else:
            log.warning("%s: no cell is kept, the sample has no row", path)
    if not frames:
        msg = "no sample has any of the cells"
        raise InputError(msg, "--counts", "give the counts of the samples that the other tables are of")
    return pd.concat(frames)
