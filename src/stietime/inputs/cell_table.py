"""Tables with one row per cell and its position, as protein imaging and published annotations come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.errors import InputError
from stietime.inputs.contents import Contents, require_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stietime.inputs.contents import Rows

FORMAT = "cell_table"
ID_COLUMNS = ("cell", "cell_id", "barcode", "Unnamed: 0")


def open_cell_table(path: Path) -> Contents:
    """Open a table of cells; it has no genes.

    Parameters
    ----------
    path
        `.tsv` or `.csv`, or either with `.gz`. A cell is named by the column `cell`, `cell_id`, `barcode` or
        a first column without a name when its values are unique, else by its line under the header.

    Raises
    ------
    InputError
        The file is no such table, or holds no rows.
    """
    require_file(path, FORMAT)
    delimiter = "," if ".csv" in path.suffixes else "\t"
    try:
        table = pd.read_csv(path, sep=delimiter, low_memory=False)
    except (ValueError, OSError, EOFError) as error:
        what = f"the file cannot be read as a table: {error}"
        raise InputError(what, path, "mend the path or the column `format`, or download it again") from None
    if table.shape[1] < 2:
        kind = "commas" if delimiter == "," else "tabs"
        what = f"the table has a single column, {table.columns[0][:60]!r}, when it is split at {kind}"
        raise InputError(what, path, "name the file .csv for commas or .tsv for tabs")
    if table.empty:
        what = "the table has a header but no cells"
        raise InputError(what, path, "give a table with one row per cell")
    source = next((column for column in ID_COLUMNS if column in table and table[column].is_unique), "")
    ids = table[source].astype(str) if source else pd.Series(np.arange(1, len(table) + 1)).astype(str)
    table.index = pd.Index(ids.to_numpy(dtype=object), dtype=object)
    return Contents(
        path=path,
        obs=table.drop(columns="Unnamed: 0", errors="ignore"),
        var=pd.DataFrame(index=pd.Index([], dtype=object)),
        counts=_no_counts,
        glance=_no_values,
        facts={"counts_from": "none", "cell_names_from": source or "row number"},
    )


def _no_counts(rows: Rows) -> sparse.csr_matrix:
    return sparse.csr_matrix((len(rows), 0), dtype=np.int32)


def _no_values() -> NDArray[Any]:
    return np.empty(0, dtype=np.int32)
