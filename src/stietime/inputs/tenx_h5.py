"""CellRanger's HDF5 matrices, of version 2 (one group per genome) and version 3 (one group `matrix`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from stietime.errors import InputError
from stietime.inputs.contents import Contents, require_hdf5
from stietime.inputs.features import GENE_EXPRESSION, gene_frame, genes_only

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stietime.inputs.contents import Rows

FORMAT = "10x_h5"
N_GLANCED = 100_000


def open_tenx_h5(path: Path) -> Contents:
    """Open a CellRanger matrix; features that are not gene expression are left out and counted.

    Parameters
    ----------
    path
        Such as `filtered_feature_bc_matrix.h5`.

    Raises
    ------
    InputError
        It is not such a file, or its parts do not fit together.
    """
    require_hdf5(path, FORMAT)
    with h5py.File(path) as handle:
        name = _matrix_group(handle, path)
        group = handle[name]
        var = _features(group)
        barcodes = _texts(group["barcodes"])
        shape, n_pointers = tuple(group["shape"][:]), len(group["indptr"])
    if shape != (len(var), len(barcodes)) or n_pointers != len(barcodes) + 1:
        what = f"the matrix is {shape[0]} x {shape[1]}, with {len(var)} features and {len(barcodes)} barcodes"
        raise InputError(what, path, "download the file again; it is damaged")
    chosen = genes_only(var, path)
    return Contents(
        path=path,
        obs=pd.DataFrame(index=pd.Index(barcodes, dtype=object)),
        var=var.iloc[chosen],
        counts=partial(_read_counts, path, name, chosen),
        glance=partial(_glance, path, name),
        facts={"counts_from": name, "n_features_other": len(var) - len(chosen)},
    )


def _texts(dataset: h5py.Dataset) -> NDArray[np.object_]:
    return np.asarray(dataset.asstr()[:], dtype=object)


def _matrix_group(handle: h5py.File, path: Path) -> str:
    groups = [name for name, group in handle.items() if isinstance(group, h5py.Group) and "barcodes" in group]
    if len(groups) == 1:
        return str(groups[0])
    if groups:
        what = f"the file holds several genomes: {', '.join(groups)}"
        raise InputError(what, path, "write each genome's matrix to a file of its own")
    what = f"the file is HDF5 but no CellRanger matrix; it holds {', '.join(handle) or 'nothing'}"
    fix = "use the format h5ad" if "obs" in handle else "mend the path or the column `format`"
    raise InputError(what, path, fix)


def _features(group: h5py.Group) -> pd.DataFrame:
    if "features" not in group:
        ids = _texts(group["genes"])
        return gene_frame(ids, _texts(group["gene_names"]), np.full(len(ids), GENE_EXPRESSION, dtype=object))
    features = group["features"]
    return gene_frame(*(_texts(features[key]) for key in ("id", "name", "feature_type")))


def _read_counts(path: Path, name: str, genes: NDArray[np.intp], rows: Rows) -> sparse.csr_matrix:
    """Read the matrix: features x barcodes by column is barcodes x features by row."""
    with h5py.File(path) as handle:
        group = handle[name]
        parts = (group["data"][:], group["indices"][:], group["indptr"][:])
        n_features, n_barcodes = group["shape"][:]
    matrix = sparse.csr_matrix(parts, shape=(n_barcodes, n_features))
    return matrix[rows][:, genes]


def _glance(path: Path, name: str) -> NDArray[Any]:
    with h5py.File(path) as handle:
        values = np.asarray(handle[name]["data"][:N_GLANCED])
    return np.compress(values != 0, values)
