"""Verdicts on claims, each with a reason of a fixed list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from stietime import names
from stietime.cohort import contrasts
from stietime.cohort.measures import CELL_FRACTION, GENE_EXPRESSION, SIGNATURE
from stietime.cohort.moderated import t_below

UP: Final = "up"
DOWN: Final = "down"
UNCHANGED: Final = "unchanged"

# not testable, in the order they are looked for
PROTEIN_ONLY: Final = "protein only"
NOT_TRANSCRIPTOMIC: Final = "not transcriptomic"
DESIGN_NOT_SUPPORTED: Final = "design not supported"
NO_DIRECTION: Final = "no direction given"
NEEDS_SECTIONS: Final = "needs tissue sections"
RATIO_NOT_COMPUTABLE: Final = "ratio not computable"
OTHER_SPECIES: Final = "other species"
OTHER_CANCER: Final = "other cancer"
DESIGN_NOT_IN_COHORT: Final = "design not in cohort"
OTHER_COMPARTMENT: Final = "other compartment"
OTHER_TREATMENT: Final = "other treatment"
CELLS_NOT_CALLED: Final = "cells not called"
SET_NOT_SCORED: Final = "set not scored"
GENE_NOT_IN_DATA: Final = "gene not in data"
NOT_MEASURED: Final = "not measured"
NOT_SEEN: Final = "not seen"
TOO_FEW_PATIENTS: Final = "too few patients"
NO_VARIANCE: Final = "no variance"
# supported
SAME_DIRECTION: Final = "same direction"
EQUIVALENT: Final = "equivalent"
# contradicted
OPPOSITE_DIRECTION: Final = "opposite direction"
CHANGED: Final = "changed"
# inconclusive
CONFOUNDED: Final = "confounded"
NOT_SIGNIFICANT: Final = "not significant"
NOT_EQUIVALENT: Final = "neither changed nor equivalent"

REASONS: Final = {
    PROTEIN_ONLY: (names.NOT_TESTABLE, "the claim is about a protein or metabolite; mRNA does not show it"),
    NOT_TRANSCRIPTOMIC: (names.NOT_TESTABLE, "the claim is about something that mRNA does not hold"),
    DESIGN_NOT_SUPPORTED: (
        names.NOT_TESTABLE,
        "the claim compares groups of patients, cells or regions, which is not yet supported",
    ),
    NO_DIRECTION: (names.NOT_TESTABLE, "the review gives no sign"),
    NEEDS_SECTIONS: (names.NOT_TESTABLE, "the structure can only be seen in tissue sections"),
    RATIO_NOT_COMPUTABLE: (
        names.NOT_TESTABLE,
        "the claim is about a ratio or trajectory whose parts are not counted",
    ),
    OTHER_SPECIES: (names.NOT_TESTABLE, "the cohort holds no human sample"),
    OTHER_CANCER: (
        names.NOT_TESTABLE,
        "the cohort, or this contrast, has no patient with the claim's cancer",
    ),
    DESIGN_NOT_IN_COHORT: (names.NOT_TESTABLE, "the sample sheet does not allow this contrast"),
    OTHER_COMPARTMENT: (
        names.NOT_TESTABLE,
        "the sample sheet allows this contrast only in the other compartment",
    ),
    OTHER_TREATMENT: (names.NOT_TESTABLE, "no patient of this contrast had the claim's treatment"),
    CELLS_NOT_CALLED: (
        names.NOT_TESTABLE,
        "no cell of the cohort was called as this type, and its set was not scored",
    ),
    SET_NOT_SCORED: (names.NOT_TESTABLE, "too few of the set's genes are in the data"),
    GENE_NOT_IN_DATA: (names.NOT_TESTABLE, "the gene is in no sample"),
    NOT_MEASURED: (names.NOT_TESTABLE, "no patient has enough captured cells of the parent on both sides"),
    NOT_SEEN: (names.NOT_TESTABLE, "not one cell or count was seen, which is no evidence of absence"),
    TOO_FEW_PATIENTS: (names.NOT_TESTABLE, "fewer pairs or patients than `min_pairs`"),
    NO_VARIANCE: (names.NOT_TESTABLE, "all patients have the same value"),
    SAME_DIRECTION: (names.SUPPORTED, "the effect has the claim's sign and q is at most `alpha`"),
    EQUIVALENT: (names.SUPPORTED, "the effect lies within the equivalence margin (TOST p at most `alpha`)"),
    OPPOSITE_DIRECTION: (names.CONTRADICTED, "the effect has the opposite sign and q is at most `alpha`"),
    CHANGED: (names.CONTRADICTED, "claimed unchanged, but q is at most `alpha` and it is not equivalent"),
    CONFOUNDED: (
        names.INCONCLUSIVE,
        "the arms of the contrast share no batch, chemistry or study, which may be all that differs",
    ),
    NOT_SIGNIFICANT: (names.INCONCLUSIVE, "q is above `alpha`"),
    NOT_EQUIVALENT: (names.INCONCLUSIVE, "claimed unchanged, neither shown to change nor to stay"),
}

_NOT_JUDGED: Final = {
    contrasts.TOO_FEW: TOO_FEW_PATIENTS,
    contrasts.NOT_MEASURED: NOT_MEASURED,
    contrasts.NOT_SEEN: NOT_SEEN,
    contrasts.NO_VARIANCE: NO_VARIANCE,
    contrasts.CONFOUNDED: CONFOUNDED,
}


@dataclass(frozen=True)
class Margins:
    """Effects within which nothing changed, by the scale of the measure.

    Parameters
    ----------
    log_odds
        For cell fractions.
    score
        For mean signature scores.
    log2_fold
        For genes.
    """

    log_odds: float
    score: float
    log2_fold: float

    def of(self, kind: str) -> float:
        """Give the margin for a kind of contrast."""
        return {CELL_FRACTION: self.log_odds, SIGNATURE: self.score, GENE_EXPRESSION: self.log2_fold}[kind]


def equivalence_p(estimate: float, se: float, df: float, margin: float) -> float:
    """Give the p-value of two one-sided t-tests that the effect lies within the margin on either side of 0.

    Parameters
    ----------
    estimate, se, df
        Of the effect; df may be infinite.
    margin
        Above 0, on the scale of the estimate.

    References
    ----------
    Schuirmann 1987, J Pharmacokinet Biopharm 15:657.
    """
    t = np.array([(estimate - margin) / se, -(estimate + margin) / se])
    return float(t_below(t, np.array([df, df])).max())


def judge(direction: str, row: dict[str, Any], *, alpha: float, margin: float) -> str:
    """Give the reason for the verdict on a claim whose contrast exists.

    Parameters
    ----------
    direction
        up, down or unchanged.
    row
        A row of the table of contrasts.
    alpha
        Level for q, and for the p of the equivalence test.
    margin
        Equivalence margin on the scale of the row's estimate.

    Returns
    -------
    One of `REASONS`.
    """
    if row["status"] != contrasts.TESTED:
        return _NOT_JUDGED[row["status"]]
    significant = bool(row["q"] <= alpha)
    if direction == UNCHANGED:
        if equivalence_p(row["estimate"], row["se"], row["df"], margin) <= alpha:
            return EQUIVALENT
        return CHANGED if significant else NOT_EQUIVALENT
    if not significant:
        return NOT_SIGNIFICANT
    return (
        SAME_DIRECTION if np.sign(row["estimate"]) == (1 if direction == UP else -1) else OPPOSITE_DIRECTION
    )
