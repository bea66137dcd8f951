"""Which sums a contrast compares: one per patient and arm, and the design that compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.testing.contrasts import NOT_MEASURED, TESTED, TOO_FEW

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cohort.design.designs import Contrast

# a contrast has one part, and a second one if it is a difference of differences
PART: Final = "part"
ARM: Final = "arm"  # 1 is the first arm, 0 the second
UNIT: Final = [PART, names.PATIENT, ARM]


class Design(NamedTuple):
    """A linear model of the logarithm of the units' means.

    Parameters
    ----------
    matrix
        Units x coefficients, of full rank.
    vector
        Weights of the coefficients in what is tested.
    formula
        The model in words of R.
    """

    matrix: pd.DataFrame
    vector: NDArray[np.float64]
    formula: str


class Verdict(NamedTuple):
    """Whether the units can be tested.

    Parameters
    ----------
    status
        As in `contrasts.tsv`.
    note
        Why not, in words.
    n_patients, n_pairs
        Patients that the test rests on; pairs are 0 for groups.
    """

    status: str
    note: str
    n_patients: int
    n_pairs: int


def list_samples(contrast: Contrast) -> pd.DataFrame:
    """List the samples of a contrast.

    Parameters
    ----------
    contrast
        Two arms of samples, or two differences.

    Returns
    -------
    One row per sample and part: sample, part, patient, arm.
    """
    parts = [contrast] if contrast.minus is None else [contrast, contrast.minus]
    found = [
        pd.DataFrame({names.SAMPLE: side.index, PART: part, names.PATIENT: side.to_numpy(), ARM: arm})
        for part, one in enumerate(parts)
        for arm, side in ((1, one.first), (0, one.second))
    ]
    return pd.concat(found, ignore_index=True)


def choose_units(
    contrast: Contrast, samples: pd.DataFrame, n_cells: pd.Series, *, min_cells: int
) -> pd.DataFrame:
    """Choose the samples whose sums are compared.

    The samples of a patient in one arm are one unit. A unit of few cells is left out; where patients are
    compared with themselves, so is a patient who lacks a unit.

    Parameters
    ----------
    contrast
        What is compared.
    samples
        As `list_samples` gives them.
    n_cells
        Number of cells of the type in every sample.
    min_cells
        Fewer cells are no unit.

    Returns
    -------
    The chosen rows of `samples`.
    """
    cells = samples[names.SAMPLE].map(n_cells).fillna(0)
    total = cells.groupby([samples[column] for column in UNIT]).transform("sum")
    kept = samples[(total >= min_cells) & (cells > 0)]
    if contrast.minus is None and not contrast.paired:
        return kept
    # all units of a patient; between two groups of differences, those of a part
    whole = [names.PATIENT] if contrast.paired else [PART, names.PATIENT]
    needed = 4 if contrast.minus is not None and contrast.paired else 2
    n_units = kept.drop_duplicates(UNIT).groupby(whole).size()
    complete = n_units[n_units == needed].index
    return kept[
        pd.MultiIndex.from_frame(kept[whole]).isin(complete)
        if len(whole) > 1
        else kept[names.PATIENT].isin(complete)
    ]


def judge_units(contrast: Contrast, units: pd.DataFrame, *, min_pairs: int, min_cells: int) -> Verdict:
    """Say whether the chosen units can be tested, and what the test rests on.

    Parameters
    ----------
    contrast
        What is compared.
    units
        As `choose_units` gives them.
    min_pairs
        Fewest pairs, or patients in a group.
    min_cells
        Fewest cells of a unit, for the reason.
    """
    n_patients = int(units[names.PATIENT].nunique())
    n_pairs = n_patients if contrast.paired else 0
    group = PART if contrast.minus is not None else ARM
    by_group = units.groupby(group)[names.PATIENT].nunique().reindex([0, 1], fill_value=0)
    first, second = (by_group[1], by_group[0]) if group == ARM else (by_group[0], by_group[1])
    have = (
        f"{n_pairs} pair{'' if n_pairs == 1 else 's'}"
        if contrast.paired
        else f"{first} against {second} patients"
    )
    with_cells = f"{have} with {min_cells} cells"
    if contrast.minus is not None and units.duplicated(names.SAMPLE).any():
        return Verdict(NOT_MEASURED, "not testable: the two differences share samples", n_patients, n_pairs)
    if not min(first, second):
        return Verdict(NOT_MEASURED, f"not measured: {with_cells}", n_patients, n_pairs)
    if (n_pairs if contrast.paired else min(first, second)) < min_pairs:
        needed = f"{min_pairs} {'needed' if contrast.paired else 'of each needed'}"
        return Verdict(TOO_FEW, f"not testable: {with_cells}, {needed}", n_patients, n_pairs)
    return Verdict(TESTED, "", n_patients, n_pairs)


def design_of(contrast: Contrast, units: pd.DataFrame) -> Design:
    """Make the design of some units.

    Patients who are compared with themselves have a coefficient each (`~ patient + arm`); in a difference of
    differences one for each part, so that what a patient's two parts differ by from the start is allowed for.

    Parameters
    ----------
    contrast
        What is compared.
    units
        One row per unit, units as index, with part, patient and arm.
    """
    if contrast.minus is None and not contrast.paired:
        matrix = pd.DataFrame({"intercept": 1.0, ARM: units[ARM].astype(float)}, index=units.index)
        return Design(matrix, np.array([0.0, 1.0]), "~ arm")
    blocks = units[PART].astype(str) + ":" + units[names.PATIENT].astype(str)
    matrix = pd.get_dummies(blocks, dtype=float)
    if contrast.minus is None:
        vector, formula = [1.0], "~ patient + arm"
        matrix[ARM] = units[ARM].astype(float)
    else:
        vector, formula = [1.0, -1.0], "~ patient:difference + arm:difference"
        for part in (0, 1):
            matrix[f"{ARM}_{part}"] = ((units[PART] == part) & (units[ARM] == 1)).astype(float)
    return Design(matrix, np.array([0.0] * (matrix.shape[1] - len(vector)) + vector), formula)
