"""Share of unspliced counts, from files that keep spliced and unspliced counts as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import h5py
import numpy as np

from stietime.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from stietime.inputs.contents import Rows

    Floats = NDArray[np.float64]

# spliced, unspliced and, where there is one, neither: as velocyto, STARsolo and alevin-fry name them, then as
# kb-python does
LAYERS: Final = (("spliced", "unspliced", "ambiguous"), ("mature", "nascent", "ambiguous"))
N_ROWS_AT_ONCE = 2_000  # rows of a matrix held at once
N_VALUES_AT_ONCE = 5_000_000  # values of a matrix by column held at once


def splicing_layers(handle: h5py.File, n_cells: int, where: object) -> tuple[str, ...]:
    """Name the layers that tell spliced from unspliced counts.

    Parameters
    ----------
    handle
        An h5ad.
    n_cells
        Number of cells of the file.
    where
        The file, for messages.

    Returns
    -------
    Spliced, unspliced and, where it is there, ambiguous; nothing when the first two are not there.

    Raises
    ------
    InputError
        A layer has another shape than the file.
    """
    from anndata.io import read_elem

    layers = handle.get("layers", {})
    for wanted in LAYERS:
        chosen = tuple(name for name in wanted if name in layers)
        if chosen[:2] == wanted[:2]:
            shape = (n_cells, len(cast("pd.DataFrame", read_elem(handle["var"]))))
            for name in chosen:
                _check_shape(layers[name], name, shape, where)
            return chosen
    return ()


def _check_shape(element: Any, name: str, shape: tuple[int, int], where: object) -> None:  # noqa: ANN401 - h5py
    found = tuple(element.attrs["shape"] if isinstance(element, h5py.Group) else element.shape)
    if found != shape:
        what = (
            f'layers["{name}"] is {" x ".join(map(str, found))}, but the file has {shape[0]} cells and '
            f"{shape[1]} genes"
        )
        raise InputError(what, where, "write the layer again from the same cells and genes, or remove it")


def pct_intronic(path: Path, layers: tuple[str, ...], rows: Rows) -> Floats:
    """Measure the share of unspliced counts, block by block.

    Parameters
    ----------
    path
        An h5ad.
    layers
        As `splicing_layers` names them.
    rows
        The cells.

    Returns
    -------
    100 x unspliced / (spliced + unspliced + ambiguous), one per row; nan in cells without counts.
    """
    with h5py.File(path) as handle:
        sums = [_row_sums(handle[f"layers/{name}"], rows) for name in layers]
    total = np.sum(sums, axis=0)
    empty = np.full(len(rows), np.nan)
    return np.asarray(np.divide(100 * sums[1], total, out=empty, where=total > 0), dtype=np.float64)


def _row_sums(element: Any, rows: Rows) -> Floats:  # noqa: ANN401 - h5py's group or dataset
    if isinstance(element, h5py.Dataset):
        return _by_row(len(element), rows, lambda start, end: element[start:end].sum(axis=1))
    if element.attrs.get("encoding-type", "csr_matrix") == "csc_matrix":
        return _sums_by_column(element)[rows]
    data, pointers = element["data"], element["indptr"][:]

    def _sum(start: int, end: int) -> Floats:
        row = np.repeat(np.arange(end - start), np.diff(pointers[start : end + 1]))
        values = data[pointers[start] : pointers[end]]
        return np.bincount(row, weights=values, minlength=end - start)

    return _by_row(len(pointers) - 1, rows, _sum)


def _by_row(n_rows: int, rows: Rows, sum_rows: Any) -> Floats:  # noqa: ANN401 - a function of start and end
    """Sum blocks of rows, those only that hold a wanted one."""
    sums: Floats = np.zeros(n_rows)
    for start in np.unique(rows // N_ROWS_AT_ONCE) * N_ROWS_AT_ONCE:
        end = min(int(start) + N_ROWS_AT_ONCE, n_rows)
        sums[start:end] = sum_rows(int(start), end)
    return sums[rows]


def _sums_by_column(element: h5py.Group) -> Floats:
    sums: Floats = np.zeros(int(element.attrs["shape"][0]))
    for start in range(0, len(element["data"]), N_VALUES_AT_ONCE):
        part = slice(start, start + N_VALUES_AT_ONCE)
        sums += np.bincount(element["indices"][part], weights=element["data"][part], minlength=len(sums))
    return sums
