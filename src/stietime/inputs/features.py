"""Features of 10x matrices: ids, names and types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime.errors import InputError
from stietime.inputs.gene_names import CONTROL_TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

GENE_EXPRESSION = "Gene Expression"
ID, TYPE = "gene_ids", "feature_types"


def gene_frame(
    ids: NDArray[np.object_], symbols: NDArray[np.object_], types: NDArray[np.object_]
) -> pd.DataFrame:
    """Make a table of features; one without a name goes by its id.

    Parameters
    ----------
    ids, symbols, types
        One text per feature.

    Returns
    -------
    Symbols as index, columns `gene_ids` and `feature_types`.
    """
    index = pd.Index(np.where(symbols == "", ids, symbols), dtype=object)
    return pd.DataFrame({ID: ids, TYPE: types}, index=index)


def genes_only(features: pd.DataFrame, where: object) -> NDArray[np.intp]:
    """Choose gene expression and the control probes of panels; not antibodies, guides and peaks.

    Returns
    -------
    Their rows; the control probes leave the matrix where they are counted.

    Raises
    ------
    InputError
        There is no gene expression.
    """
    is_gene = features[TYPE].to_numpy() == GENE_EXPRESSION
    if not is_gene.any():
        found = ", ".join(sorted(set(features[TYPE])))
        what = f"no feature is of the type {GENE_EXPRESSION!r}; found {found or 'no features'}"
        raise InputError(what, where, "give the matrix of gene expression")
    return np.flatnonzero(is_gene | features[TYPE].str.lower().isin(CONTROL_TYPES).to_numpy(dtype=bool))
