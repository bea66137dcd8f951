"""AnnData files: the counts are found wherever they are kept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names
from stietime.errors import InputError
from stietime.inputs.contents import Contents, require_cells, require_hdf5
from stietime.inputs.counts import NEED_COUNTS, problem_with
from stietime.inputs.log_values import LOG1P, problem_with_log
from stietime.inputs.splicing import pct_intronic, splicing_layers

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stietime.inputs.contents import Rows

FORMAT = "h5ad"
N_GLANCED = 50_000  # values read from each end of a sparse matrix
N_GLANCED_ROWS = 100  # rows read from each end of a dense matrix
N_ROWS_AT_ONCE = 2_000  # rows of a dense matrix held at once


class _Place(NamedTuple):
    """Where an h5ad can keep counts, and the genes that go with them."""

    label: str
    matrix: str
    var: str


PLACES = (
    _Place('layers["counts"]', "layers/counts", "var"),
    _Place("X", "X", "var"),
    _Place("raw.X", "raw/X", "raw/var"),
)
LOG_PLACES = (PLACES[2], PLACES[1])  # raw.X has all genes where X was cut to some, or scaled


def open_h5ad(path: Path, values: str = "counts") -> Contents:
    """Open an h5ad; counts are taken from `layers["counts"]`, `X` or `raw.X`, the first that holds some.

    Parameters
    ----------
    path
        The file.
    values
        With `log1p`, a file that holds no counts is read from `raw.X` or `X`, the first with log values.

    Raises
    ------
    InputError
        It is not an h5ad, none of the places holds what is needed, or layers by splicing do not fit it.
    """
    from anndata.io import read_elem

    require_hdf5(path, FORMAT)
    with h5py.File(path) as handle:
        _require_anndata(handle, path)
        obs = _read_frame(handle["obs"])
        require_cells(len(obs), path)
        place, is_log = _find_place(handle, values, path)
        var = _read_frame(handle[place.var])
        splicing = splicing_layers(handle, len(obs), path)
        unusable = _why_unusable(handle, splicing)
        spatial = handle.get(f"obsm/{names.SPATIAL_SLOT}")
        positions = None if spatial is None else np.asarray(read_elem(spatial), dtype=np.float64)[:, :2]
    facts: dict[str, str | int] = {"counts_from": place.label}
    if splicing:
        facts["intronic_from"] = unusable or ", ".join(splicing)
    return Contents(
        path=path,
        obs=obs,
        var=var,
        counts=partial(_read_counts, path, place),
        glance=partial(_glance_at, path, place),
        positions=positions,
        intronic=partial(pct_intronic, path, splicing) if splicing and not unusable else None,
        is_log=is_log,
        facts=facts,
    )


def _why_unusable(handle: h5py.File, layers: tuple[str, ...]) -> str:
    """Say why layers by splicing are not used: velocity tools leave each normalised to a total of its own."""
    for name in layers:
        values = _glance(handle[f"layers/{name}"])
        problem = problem_with(values) if values.size else ""
        if problem:
            return f'not measured: layers["{name}"] {problem}'
    return ""


def _read_frame(group: h5py.Group) -> pd.DataFrame:
    from anndata.io import read_elem

    frame = cast("pd.DataFrame", read_elem(group))
    frame.index = pd.Index(frame.index.astype(str), dtype=object)
    return frame


def _require_anndata(handle: h5py.File, path: Path) -> None:
    missing = [key for key in ("obs", "var") if key not in handle]
    if missing:
        tenx = "matrix" in handle or any("barcodes" in group for group in handle.values())
        what = f"the file is HDF5 but no h5ad: it lacks {' and '.join(missing)} and holds {', '.join(handle)}"
        fix = "use the format 10x_h5" if tenx else "mend the path or the column `format`"
        raise InputError(what, path, fix)
    if isinstance(handle["obs"], h5py.Dataset):
        what = "the h5ad was written by an anndata older than 0.7"
        raise InputError(what, path, "read it with anndata 0.7 to 0.10 and write it again")


def _find_place(handle: h5py.File, values: str, path: Path) -> tuple[_Place, bool]:
    """Find the counts, or where log values are allowed those; and whether it is they."""
    findings = []
    for place in PLACES:
        problem = problem_with(_glance(handle[place.matrix])) if place.matrix in handle else "is not there"
        if not problem:
            return place, False
        findings.append(f"{place.label} {problem}")
    what, fix = f"no counts were found: {'; '.join(findings)}", NEED_COUNTS
    logs = [place for place in LOG_PLACES if place.matrix in handle and _holds_log(handle[place.matrix])]
    if logs and values == LOG1P:
        return logs[0], True
    if logs:
        fix += (
            ', or set inputs.values to "log1p": counts are then recovered from log values where that can be'
        )
    raise InputError(what, path, fix)


def _holds_log(element: Any) -> bool:  # noqa: ANN401 - h5py's group or dataset
    values = _glance(element)
    return bool(values.size) and not problem_with_log(values)


def _glance(element: Any) -> NDArray[Any]:  # noqa: ANN401 - h5py's group or dataset
    """Read values that are not zero from both ends of a matrix."""
    if isinstance(element, h5py.Group):
        data, n = element["data"], N_GLANCED
        values = data[:] if len(data) <= 2 * n else np.concatenate([data[:n], data[-n:]])
    else:
        n = N_GLANCED_ROWS
        values = element[:] if len(element) <= 2 * n else np.concatenate([element[:n], element[-n:]])
    values = np.ravel(values)
    return np.compress(values != 0, values)


def _glance_at(path: Path, place: _Place) -> NDArray[Any]:
    with h5py.File(path) as handle:
        return _glance(handle[place.matrix])


def _read_counts(path: Path, place: _Place, rows: Rows) -> sparse.csr_matrix:
    from anndata.io import sparse_dataset

    with h5py.File(path) as handle:
        element = handle[place.matrix]
        if isinstance(element, h5py.Dataset):
            return _read_dense(element, rows)
        stored = sparse_dataset(element)
        if stored.format == "csr" and len(rows) < stored.shape[0]:
            return sparse.csr_matrix(stored[rows])
        return sparse.csr_matrix(stored.to_memory())[rows]


def _read_dense(dataset: h5py.Dataset, rows: Rows) -> sparse.csr_matrix:
    """Read rows of a dense matrix block by block, so that it is never held whole."""
    wanted = np.zeros(dataset.shape[0], dtype=bool)
    wanted[rows] = True
    blocks = []
    for start in range(0, len(wanted), N_ROWS_AT_ONCE):
        chosen = wanted[start : start + N_ROWS_AT_ONCE]
        if chosen.any():
            blocks.append(sparse.csr_matrix(dataset[start : start + N_ROWS_AT_ONCE][chosen]))
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))
