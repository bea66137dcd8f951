"""What every reader gives: a file that is open, its names read, its counts not yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stietime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    Rows = NDArray[np.intp]

GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Contents:
    """A file of cells whose names are read and whose counts can be.

    Parameters
    ----------
    path
        The file, for messages.
    obs
        One row per cell, barcodes as index.
    var
        One row per gene, the file's gene names as index.
    counts
        Reads the given rows into a sparse matrix (cells x genes), values as they are in the file.
    glance
        Reads some of the values that are not zero, enough to tell counts from log values.
    positions
        Cells x 2, in the file's units, when the file keeps them apart from `obs`.
    intronic
        Reads the percent of the given rows' counts that are unspliced, when the file tells them apart.
    is_log
        Whether the values are log1p of normalised counts, from which counts are to be recovered.
    facts
        What is worth telling about the file.
    """

    path: Path
    obs: pd.DataFrame
    var: pd.DataFrame
    counts: Callable[[Rows], sparse.csr_matrix]
    glance: Callable[[], NDArray[Any]]
    positions: NDArray[np.float64] | None = None
    intronic: Callable[[Rows], NDArray[np.float64]] | None = None
    is_log: bool = False
    facts: dict[str, str | int] = field(default_factory=dict)


def require_file(path: Path, file_format: str) -> None:
    """Check that a path is a file.

    Raises
    ------
    InputError
        Nothing is there, or a folder.
    """
    if path.is_dir():
        what = f"a folder was found where the format {file_format} means a file"
        raise InputError(what, path, "give the path of the file, or use the format 10x_mtx for a folder")
    if not path.is_file():
        what = "the file does not exist"
        raise InputError(what, path, "mend the path in the sample sheet")


def require_cells(n_cells: int, where: object) -> None:
    """Check that a file holds cells.

    Raises
    ------
    InputError
        It holds none.
    """
    if n_cells == 0:
        what, fix = (
            "the file holds no cells",
            "remove the sample from the sheet, or give the file of its cells",
        )
        raise InputError(what, where, fix)


def require_hdf5(path: Path, file_format: str) -> None:
    """Check that a path is an HDF5 file.

    Raises
    ------
    InputError
        Nothing is there, or the file is something else: what it seems to be is named.
    """
    import h5py

    require_file(path, file_format)
    if h5py.is_hdf5(path):
        return
    with path.open("rb") as handle:
        start = handle.read(64)
    fix = "mend the column `format`, or download the file again"
    if not start:
        found = "empty"
    elif start.startswith(GZIP):
        found, fix = "compressed with gzip", "unpack it with gunzip, or mend the column `format`"
    elif b"\x00" not in start:
        found = f"text that begins with {start.decode('utf-8', 'replace').splitlines()[0][:40]!r}"
    else:
        found = "damaged or of another kind"
    what = f"the file is not {file_format}, which is HDF5; it is {found}"
    raise InputError(what, path, fix)
