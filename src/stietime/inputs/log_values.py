"""Counts recovered from log values: whole numbers again, or an error that says why they are not.

A file of log-normalised values holds v = ln(1 + scale * count / total). Within a cell exp(v) - 1 is thus the
count times one unit, and every cell shows its own unit: it is the smallest value of a cell in which some gene
was counted once. Where the file tells each cell's total, the unit is scale / total, and the scale need not
be known: it is what the smallest values of most cells times their totals agree on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.errors import InputError
from stietime.inputs.counts import LARGEST_LOG_VALUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

LOG1P: Final = "log1p"
# columns of obs that may tell each cell's total, in any case, `.` as `_`
TOTAL_COLUMNS: Final = ("total_counts", "n_counts", "ncount_rna", "numi", "n_umi", "n_umis", "total_umis")
MAX_REMAINDER: Final = 0.01
PRECISION: Final = 1e-5  # of a large count in single precision, tenfold
MAX_SMALLEST: Final = 10  # counts that the smallest value of a cell may stand for
OTHER_LOGS: Final = {"log2": np.log(2), "log10": np.log(10)}
FIX: Final = (
    "give a file with raw counts, or log1p values as they were made: not scaled, regressed, imputed, "
    "corrected for batch or rounded"
)

Facts = dict[str, str | int | float]


class Recovered(NamedTuple):
    """Counts that were recovered.

    Parameters
    ----------
    counts
        Cells x genes, whole.
    facts
        How they were recovered, and the largest distance of one from a whole number.
    """

    counts: sparse.csr_matrix
    facts: Facts


class _Cells(NamedTuple):
    """Normalised values of the cells that have some, cell after cell."""

    values: Vector
    lengths: NDArray[np.intp]

    @property
    def starts(self) -> NDArray[np.intp]:
        """Place of the first value of each cell."""
        return np.concatenate([[0], np.cumsum(self.lengths)[:-1]]).astype(np.intp)

    def some(self, chosen: NDArray[np.bool_]) -> _Cells:
        """Take some of the cells."""
        return _Cells(self.values[np.repeat(chosen, self.lengths)], self.lengths[chosen])

    def counts(self, units: Vector) -> Vector:
        """Divide the values of each cell by its unit."""
        return self.values / np.repeat(units, self.lengths)

    def smallest(self) -> Vector:
        """Give the smallest value of each cell."""
        return np.asarray(np.minimum.reduceat(self.values, self.starts), dtype=np.float64)

    def fit(self, units: Vector) -> NDArray[np.bool_]:
        """Say of which cells all values are whole counts; most of them without allowance for precision."""
        counts = self.counts(units)
        whole = np.rint(counts)
        remainder = np.abs(counts - whole)
        close = remainder <= MAX_REMAINDER
        fits = (whole >= 1) & (close | (remainder <= PRECISION * counts))
        n_close = np.add.reduceat(close, self.starts, dtype=np.intp)
        return np.logical_and.reduceat(fits, self.starts) & (2 * n_close >= self.lengths)


def problem_with_log(values: NDArray[Any]) -> str:
    """Say why values cannot be log1p of normalised counts.

    Parameters
    ----------
    values
        Any values that are not zero, in any order.

    Returns
    -------
    What is wrong, with an example; empty when they can be.
    """
    if values.dtype.kind not in "biuf":
        return f"holds {values.dtype} where numbers are needed"
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        return f"holds {n_bad} values that are NaN or infinite"
    if values.size and values.min() < 0:
        return f"holds negative values such as {values.min():g}, as scaled or corrected data do"
    if values.size and values.max() > LARGEST_LOG_VALUE:
        return f"holds the value {values.max():g}, too large for a log value"
    return ""


def check_log(values: NDArray[Any], where: object) -> None:
    """Check that values can be log1p of normalised counts.

    Raises
    ------
    InputError
        They cannot: the message says why.
    """
    problem = problem_with_log(values)
    if problem:
        what = f"no counts can be recovered: the matrix {problem}, where log1p values are needed"
        raise InputError(what, where, FIX)


def recover_counts(matrix: sparse.spmatrix, obs: pd.DataFrame, where: object) -> Recovered:
    """Recover the counts that log1p values were made of.

    Parameters
    ----------
    matrix
        Natural logs of one plus normalised counts, cells x genes; every cell may have its own factor, and
        genes may have been left out after normalisation.
    obs
        The cells; totals are looked for in the columns of `TOTAL_COLUMNS`.
    where
        The file, for messages.

    Returns
    -------
    The counts and the facts. With totals that fit, the unit of a cell is that of the scale over its total.
    Else the smallest value of a cell stands for one count, or for the fewest (10 at most) that make all
    others whole: a cell all of whose counts share a divisor comes out divided by it.

    Raises
    ------
    InputError
        The values of a cell are no multiples of one unit: a count is more than 0.01 (or, when it is large,
        more than a hundred thousandth of it) from a whole number.
    """
    logs = sparse.csr_matrix(matrix)
    logs.sum_duplicates()
    logs.eliminate_zeros()
    check_log(logs.data, where)
    lengths = np.diff(logs.indptr).astype(np.intp)
    used = lengths > 0
    if not used.any():
        return Recovered(logs, {})
    cells = _Cells(np.expm1(logs.data.astype(np.float64)), lengths[used])
    units, facts = _by_totals(cells, obs[used]) or _by_smallest(cells)
    fits = cells.fit(units)
    if not fits.all():
        raise _refusal(logs, cells, units, obs.index[used], where)
    counts = cells.counts(units)
    whole = np.rint(counts)
    remainder = float(np.abs(counts - whole).max())
    recovered = sparse.csr_matrix((whole, logs.indices, logs.indptr), shape=logs.shape)
    return Recovered(recovered, {**facts, "largest_remainder": float(f"{remainder:.2g}")})


def _by_totals(cells: _Cells, obs: pd.DataFrame) -> tuple[Vector, Facts] | None:
    """Take the units from the first column of totals that makes every cell whole."""
    smallest = cells.smallest()
    for column in obs.columns:
        if str(column).lower().replace(".", "_") not in TOTAL_COLUMNS:
            continue
        totals = pd.to_numeric(obs[column], errors="coerce").to_numpy(dtype=np.float64)
        if not (np.isfinite(totals) & (totals > 0)).all():
            continue
        scale = float(np.median(smallest * totals))
        if cells.fit(scale / totals).all():
            told = f"log1p values and the totals of the column {column}, scale {scale:.6g}"
            return scale / totals, {"counts_recovered_from": told}
    return None


def _by_smallest(cells: _Cells) -> tuple[Vector, Facts]:
    """Take the smallest value of each cell as one count, or as the fewest that make the others whole."""
    units = cells.smallest()
    left = ~cells.fit(units)
    n_other = 0
    for n in range(2, MAX_SMALLEST + 1):
        if not left.any():
            break
        fits = cells.some(left).fit(units[left] / n)
        places = np.flatnonzero(left)[fits]
        units[places] /= n
        left[places] = False
        n_other += len(places)
    facts: Facts = {"counts_recovered_from": "log1p values, the smallest of a cell as one count"}
    return units, facts | ({"n_cells_smallest_not_one": n_other} if n_other else {})


def _refusal(
    logs: sparse.csr_matrix, cells: _Cells, units: Vector, barcodes: pd.Index, where: object
) -> InputError:
    """Say what rounding leaves over in the worst cell, and what may be the cause."""
    fits = cells.fit(units)
    counts = cells.counts(units)
    remainder = np.abs(counts - np.rint(counts))
    off = np.add.reduceat(remainder > MAX_REMAINDER, cells.starts, dtype=np.intp) / cells.lengths
    worst = int(np.argmax(np.where(fits, -1.0, off)))
    place = int(cells.starts[worst] + np.argmax(_of(cells, remainder, worst)))
    of_cell = _of(cells, counts, worst)
    what = (
        f"no counts can be recovered from the log values: in {int((~fits).sum())} of {len(fits)} cells they "
        f"are no multiples of one count. In the cell {barcodes[worst]}, {off[worst]:.0%} of {len(of_cell)} "
        f"values are more than {MAX_REMAINDER:g} from a whole count, such as {logs.data[place]:g}, which "
        f"would be {counts[place]:.2f} counts"
    )
    return InputError(what, where, _other_log(logs, cells.lengths) or FIX)


def _of(cells: _Cells, values: Vector, cell: int) -> Vector:
    start = cells.starts[cell]
    return values[start : start + cells.lengths[cell]]


def _other_log(logs: sparse.csr_matrix, lengths: NDArray[np.intp]) -> str:
    """Say which other transformation would give counts."""
    values = logs.data.astype(np.float64)
    plain = _Cells(values, lengths)
    if plain.fit(_by_smallest(plain)[0]).all():
        return "they are normalised counts without a log: give log1p of them, or raw counts"
    for name, factor in OTHER_LOGS.items():
        cells = _Cells(np.expm1(values * factor), lengths)
        if cells.fit(_by_smallest(cells)[0]).all():
            return f"they fit {name} of one plus normalised counts: multiply them by {factor:.6f} first"
    return ""
