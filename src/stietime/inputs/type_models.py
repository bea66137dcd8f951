"""Models and labelled cells that cell types are taken over from."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names
from stietime.errors import InputError
from stietime.inputs.read import GIVEN_CELL_TYPE, open_input, prepare, read_prepared

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.inputs.read import ReadingOptions


class ModelFile(NamedTuple):
    """What a model file holds.

    Parameters
    ----------
    labels
        Names of the labels.
    genes
        Gene symbols.
    coefficients
        Labels x genes.
    intercepts
        One per label.
    means, scales
        What expression is standardised with, one per gene.
    """

    labels: tuple[str, ...]
    genes: pd.Index
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    means: NDArray[np.float64]
    scales: NDArray[np.float64]


def read_celltypist(path: Path) -> ModelFile:
    """Read a model file of CellTypist (.pkl).

    The file is a pickle, which can run any code when it is opened: open files of sources you trust only.

    Parameters
    ----------
    path
        The file, as CellTypist downloads or writes it.

    Raises
    ------
    InputError
        The file is missing or is no such model.
    """
    fix = "give a model file of CellTypist (.pkl) in annotation.model"
    if not path.is_file():
        message = "the model does not exist"
        raise InputError(message, path, fix)
    try:
        with path.open("rb") as file:
            content = pickle.load(file)  # noqa: S301 - the format of the models; docs say whom to trust
        model, scaler = content["Model"], content["Scaler_"]
        genes, labels = np.asarray(model.features, dtype=str), np.asarray(model.classes_, dtype=str)
        coefficients = np.asarray(model.coef_, dtype=np.float64)
        intercepts = np.asarray(model.intercept_, dtype=np.float64).ravel()
        means, scales = (np.asarray(part, dtype=np.float64) for part in (scaler.mean_, scaler.scale_))
    except Exception as error:
        what = f"the file is no model of CellTypist ({type(error).__name__}: {error})"
        raise InputError(what, path, fix) from None
    if len(labels) == 2 and len(coefficients) == 1:
        coefficients, intercepts = np.vstack([-coefficients, coefficients]), np.array([-1, 1]) * intercepts
    # scanpy and CellTypist scale by the standard deviation, which is 0 for a gene that does not vary
    scales = np.where(scales > 0, scales, 1.0)
    return ModelFile(tuple(labels), pd.Index(genes, dtype=object), coefficients, intercepts, means, scales)


class Labelled(NamedTuple):
    """Labelled cells: counts (cells x genes), gene symbols and labels."""

    counts: csr_matrix
    genes: pd.Index
    labels: pd.Series


def read_labelled(path: Path, options: ReadingOptions) -> Labelled:
    """Read the counts and labels of a reference (h5ad); cells of unknown label are left out.

    Parameters
    ----------
    path
        The file.
    options
        How it is read: `cell_type_column` names the labels, `cell_type_names` translates them.

    Raises
    ------
    InputError
        The file is missing, has no counts or no such column, or a label has no name here.
    """
    if not path.is_file():
        message = "the reference does not exist"
        raise InputError(message, path, "mend the path in annotation.reference")
    try:
        cells = read_prepared(prepare(open_input(path, "h5ad"), options))
    except InputError as error:
        # the same mistakes as in a sample, with other options
        fix = error.fix.replace("inputs.cell_type_column", "annotation.reference_column")
        fix = fix.replace("inputs.cell_type_names", "annotation.label_names")
        raise InputError(error.what, error.where, fix) from None
    labels = cast("pd.DataFrame", cells.obs)[GIVEN_CELL_TYPE].astype(str)
    known = (labels != names.UNKNOWN).to_numpy()
    counts = sparse.csr_matrix(cells.X)[np.flatnonzero(known)]
    return Labelled(sparse.csr_matrix(counts), pd.Index(cells.var_names, dtype=object), labels[known])


def translate(
    labels: Collection[str], translation: Mapping[str, str], known: Collection[str], where: object
) -> list[str]:
    """Give labels the names used here.

    Parameters
    ----------
    labels
        Labels of a model or a reference.
    translation
        Labels, each with the name used here.
    known
        Names used here.
    where
        The file, for messages.

    Raises
    ------
    InputError
        A label has no name here.
    """
    found = [translation.get(label, label) for label in labels]
    foreign = sorted({label for label, name in zip(labels, found, strict=True) if name not in known})
    if foreign:
        shown = ", ".join(map(repr, foreign[:15])) + (", ..." if len(foreign) > 15 else "")
        what = f"{len(foreign)} labels have no name here: {shown}"
        fix = "give each a name in annotation.label_names: a set of the marker table, or unknown"
        raise InputError(what, where, fix)
    return found
