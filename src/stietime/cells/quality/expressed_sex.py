"""Which sex the cells of a sample express: XIST against genes of the Y chromosome.

XIST is transcribed from the inactive X of female cells only, the genes below from the part of the Y that does
not pair with the X, in nearly all cells. A sample that expresses another sex than the sheet says, or than
another sample of the patient, was probably swapped. Three things that are no swap look like one or hide the
sex: blood after a transplant of another person's marrow; a Y that was lost (in blood with age, in many
tumours); an XIST that was silenced, as in some tumours. The last two leave neither gene, which is `unclear`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_array, csr_matrix

    type Counts = csr_matrix | csr_array | NDArray[np.integer]

FEMALE: Final = "female"
MALE: Final = "male"
UNCLEAR: Final = "unclear"

X_GENE: Final = "XIST"
# human and mouse, each in capitals; Eif2s3y, Zfy1 and Zfy2 are of the mouse's Y alone
Y_GENES: Final = ("RPS4Y1", "DDX3Y", "KDM5D", "UTY", "EIF1AY", "USP9Y", "ZFY", "EIF2S3Y", "ZFY1", "ZFY2")
MIN_Y_GENES: Final = 2
MIN_COUNTS: Final = 10
MIN_PER_MILLION: Final = 5.0
MAX_OTHER_SHARE: Final = 0.1  # ambient RNA and index hopping bring a few counts of the other sex

WORDS: Final = {FEMALE: ("female", "f", "woman"), MALE: ("male", "m", "man")}


def sex_in_sheet(text: object) -> str:
    """Read the column `sex` of a sample sheet: `female`, `male`, or "" for anything else."""
    word = str(text).strip().casefold()
    return next((sex for sex, words in WORDS.items() if word in words), "")


def expressed_sex(counts: Counts, genes: Iterable[str]) -> tuple[str, str]:
    """Tell the sex that the cells of a sample express, from their summed counts.

    With x counts of XIST and y counts of all Y genes among N counts, the call needs x + y >= 10 and
    (x + y) / N >= 5 per million. It is female when y / (x + y) is at most a tenth, male when x / (x + y) is;
    between, both are expressed and the sample may be a mixture of people.

    Parameters
    ----------
    counts
        Counts of the kept cells (cells x genes), or their sum (genes).
    genes
        Gene symbols of the columns, human or mouse.

    Returns
    -------
    `female`, `male` or `unclear`; and the counts it rests on, or why it is unclear.
    """
    sums = _sum_cells(counts)
    symbols = pd.Index([str(gene).upper() for gene in genes])
    on_y = symbols.isin(Y_GENES)
    x, y = int(sums[symbols == X_GENE].sum()), int(sums[on_y].sum())
    obstacle = _obstacle(x, y, float(sums.sum()), has_x=X_GENE in symbols, n_y=int(on_y.sum()))
    found = f"counts: XIST {x}, {on_y.sum()} Y genes {y}"
    if obstacle:
        return UNCLEAR, f"{obstacle} ({found})"
    if min(x, y) > MAX_OTHER_SHARE * (x + y):
        return UNCLEAR, f"both XIST and Y genes are expressed, it may be a mixture of people ({found})"
    return (FEMALE if x > y else MALE), found


def _sum_cells(counts: Counts) -> NDArray[np.int64]:
    if isinstance(counts, np.ndarray) and counts.ndim == 1:
        return counts.astype(np.int64)
    return np.asarray(counts.sum(axis=0, dtype=np.int64)).ravel()


def _obstacle(x: int, y: int, total: float, *, has_x: bool, n_y: int) -> str:
    """Say why a sample's sex cannot be told; empty when it can."""
    if not has_x:
        return f"{X_GENE} is not among the genes"
    if n_y < MIN_Y_GENES:
        return f"{f'only {n_y}' if n_y else 'no'} gene of the Y is among the genes, {MIN_Y_GENES} needed"
    if x + y < MIN_COUNTS:
        return f"too few counts to tell, {MIN_COUNTS} needed"
    if x + y < MIN_PER_MILLION * total / 1e6:
        return f"neither is expressed: fewer than {MIN_PER_MILLION:g} per million counts"
    return ""
