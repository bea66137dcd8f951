"""Whether values are counts: finite, not negative, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from stietime.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEED_COUNTS = 'give a file with UMI counts, in X, layers["counts"] or raw.X where it is an h5ad'
LARGEST_LOG_VALUE = 20.0  # log1p of half a billion counts
LARGEST_COUNT = np.iinfo(np.int32).max


def problem_with(values: NDArray[Any]) -> str:
    """Say why values cannot be counts.

    Parameters
    ----------
    values
        Any values that are not zero, in any order.

    Returns
    -------
    What is wrong, with an example; empty when they can be counts.
    """
    if values.size == 0:
        return "holds no value but zero"
    if values.dtype.kind not in "biuf":
        return f"holds {values.dtype} where numbers are needed"
    n_bad = int((~np.isfinite(values)).sum())
    return f"holds {n_bad} values that are NaN or infinite" if n_bad else _problem_with_numbers(values)


def _problem_with_numbers(values: NDArray[Any]) -> str:
    largest = values.max()
    if values.min() < 0:
        return f"holds negative values such as {values.min():g}, as scaled data do"
    if largest > LARGEST_COUNT:
        return f"holds the value {largest:g}, too large for a count"
    whole = np.equal(np.mod(values, 1), 0)
    if whole.all():
        return ""
    kind = "log values" if largest <= LARGEST_LOG_VALUE else "normalised or estimated values"
    return f"holds {kind}: {values[~whole][0]:g} is not whole, the largest is {largest:g}"


def check_counts(values: NDArray[Any], where: object) -> None:
    """Check that values can be counts.

    Raises
    ------
    InputError
        They cannot: the message says why.
    """
    problem = problem_with(values)
    if problem:
        what = f"the matrix {problem}; whole counts are needed"
        raise InputError(what, where, NEED_COUNTS)


def to_counts(matrix: sparse.spmatrix, where: object) -> sparse.csr_matrix:
    """Make a tidy integer matrix of one that holds counts in any type.

    Parameters
    ----------
    matrix
        Cells x genes.
    where
        The file, for messages.

    Returns
    -------
    Cells x genes, int32, sorted, without stored zeros.

    Raises
    ------
    InputError
        The values are not counts, or all are zero.
    """
    counts = sparse.csr_matrix(matrix)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    if counts.nnz == 0:
        what = f"the sample holds {counts.shape[0]} cells but no counts: every value is zero"
        raise InputError(what, where, "remove the sample from the sheet, or give the file of its counts")
    check_counts(counts.data, where)
    return counts.astype(np.int32)
