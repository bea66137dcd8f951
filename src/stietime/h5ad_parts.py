"""Labels of cells and genes read out of an h5ad, without what anndata's import costs each step.

Columns of text, numbers and categories are read here, as anndata's description of the format has them; what
is stored in any other way is left to anndata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stietime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import h5py


def read_frame(path: Path, part: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
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

    if not path.is_file():
        msg = "the counts do not exist"
        raise InputError(msg, path, "run the step `ingest`")
    with h5py.File(path, "r") as file:
        frame = file[part]
        wanted = [str(name) for name in frame.attrs["column-order"]] if columns is None else columns
        index = pd.Index(np.asarray(_element(frame[frame.attrs["_index"]])), dtype=object)
        found = {name: _element(frame[name]) for name in wanted if name in frame}
    return pd.DataFrame(found, index=index)


def read_fact(path: Path, name: str, default: int) -> int:
    """Read a whole number that a step put into `uns`, such as `ingest/n_empty_droplets`.

    Parameters
    ----------
    path
        A `counts.h5ad`.
    name
        Place within `uns`.
    default
        What holds where it is not there.
    """
    import h5py

    with h5py.File(path, "r") as file:
        return int(file[f"uns/{name}"][()]) if f"uns/{name}" in file else default


def _element(node: h5py.Group | h5py.Dataset) -> Any:  # noqa: ANN401 - an array or a Categorical
    encoding = node.attrs.get("encoding-type", "")
    if encoding == "string-array":
        return node.asstr()[:].astype(object)
    if encoding == "array" and node.dtype.kind in "iufb":
        return node[:]
    if encoding == "categorical" and node["categories"].attrs.get("encoding-type") == "string-array":
        categories = pd.Index(_element(node["categories"]), dtype=object)
        return pd.Categorical.from_codes(node["codes"][:], categories, ordered=bool(node.attrs["ordered"]))
    from anndata.io import read_elem

    return read_elem(node)
