"""Tables of spots that are named by their place on the array, as Spatial Transcriptomics comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.errors import InputError
from stietime.inputs.contents import Contents, require_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stietime.inputs.contents import Rows

FORMAT: Final = "spot_table"
N_GLANCED: Final = 50_000


def open_spot_table(path: Path) -> Contents:
    """Open a table of spots x genes whose spots are named `XxY`, such as 10x13.

    The positions are X and Y, in steps of the array: `um_per_unit` is its pitch.

    Parameters
    ----------
    path
        `.tsv` or `.csv`, or either with `.gz`: the first column names the spots, each other one is a gene.

    Raises
    ------
    InputError
        The file is no such table, a spot is not named by its place, or a value is not a number.
    """
    require_file(path, FORMAT)
    delimiter = "," if ".csv" in path.suffixes else "\t"
    try:
        table = pd.read_csv(path, sep=delimiter, index_col=0, low_memory=False)
    except (ValueError, OSError, EOFError) as error:
        what = f"the file cannot be read as a table: {error}"
        raise InputError(what, path, "mend the path or the column `format`, or download it again") from None
    if table.empty:
        what = f"the table has {table.shape[0]} spots and {table.shape[1]} genes"
        raise InputError(
            what, path, "give spots as rows and genes as columns, .tsv for tabs, .csv for commas"
        )
    spots = pd.Index(table.index.astype(str).to_numpy(dtype=object))
    positions = _places(spots, path)
    matrix = _matrix(table, path)
    genes = pd.Index(table.columns.astype(str).to_numpy(dtype=object))
    return Contents(
        path=path,
        obs=pd.DataFrame(index=spots),
        var=pd.DataFrame(index=genes),
        counts=lambda rows: _rows(matrix, rows),
        glance=lambda: np.asarray(matrix.data[:N_GLANCED]),
        positions=positions,
        facts={"counts_from": "table"},
    )


def _rows(matrix: sparse.csr_matrix, rows: Rows) -> sparse.csr_matrix:
    return sparse.csr_matrix(matrix[rows])


def _places(spots: pd.Index, path: Path) -> NDArray[np.float64]:
    found = pd.Series(spots).str.extract(r"^(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)$")
    bad = np.flatnonzero(found.isna().any(axis=1))
    if len(bad):
        what = f"{len(bad)} of {len(spots)} rows are not named by their place on the array, such as"
        fix = "name every spot XxY, such as 10x13, or give the section as h5ad with obsm['spatial']"
        msg = f"{what} {spots[bad[0]]!r}"
        raise InputError(msg, path, fix)
    return found.to_numpy(dtype=np.float64)


def _matrix(table: pd.DataFrame, path: Path) -> sparse.csr_matrix:
    wrong = [str(name) for name, kind in table.dtypes.items() if kind.kind not in "iufb"]
    if wrong:
        what = f"{len(wrong)} columns do not hold numbers, such as {wrong[0]}"
        raise InputError(what, path, "keep only the column with the names of the spots and one per gene")
    values: NDArray[Any] = table.to_numpy()
    if not np.isfinite(values).all():
        what = f"{int((~np.isfinite(values)).sum())} values are missing"
        raise InputError(what, path, "write 0 where a gene was not found in a spot")
    return sparse.csr_matrix(values)
