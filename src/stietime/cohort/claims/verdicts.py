"""Verdicts on claims from one row of the contrasts: direction, equivalence, and the power there was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from stietime.cohort.claims import reasons
from stietime.cohort.testing import contrasts
from stietime.cohort.testing.measures import CELL_FRACTION, GATED_FRACTION, GENE_EXPRESSION, SIGNATURE
from stietime.cohort.testing.moderated import t_below
from stietime.cohort.testing.power import detectable_effect, equivalence_power, power_of

UP: Final = "up"
DOWN: Final = "down"
UNCHANGED: Final = "unchanged"

_NOT_JUDGED: Final = {
    contrasts.TOO_FEW: reasons.TOO_FEW_PATIENTS,
    contrasts.NOT_MEASURED: reasons.NOT_MEASURED,
    contrasts.NOT_SEEN: reasons.NOT_SEEN,
    contrasts.NO_VARIANCE: reasons.NO_VARIANCE,
    contrasts.CONFOUNDED: reasons.CONFOUNDED,
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
        fractions = dict.fromkeys((CELL_FRACTION, GATED_FRACTION), self.log_odds)
        return {**fractions, SIGNATURE: self.score, GENE_EXPRESSION: self.log2_fold}[kind]


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


@dataclass(frozen=True)
class Power:
    """What a test could show.

    Parameters
    ----------
    margin
        Equivalence margin on the scale of the estimate.
    p_equivalence
        p-value of the two one-sided tests against it.
    power
        For a claim with a direction: the chance that a single test finds an effect as large as the margin.
        For one of no change: the chance that equivalence is shown if there is no effect at all.
    detectable
        The effect that a single two-sided test at p = 0.05 finds with 80 % power.
    """

    margin: float
    p_equivalence: float
    power: float
    detectable: float


def resolution(row: dict[str, Any]) -> float:
    """Give the standard error by which equivalence and power are judged.

    Not below that of counting alone: where each patient has few cells and none of the kind, all agree, which
    is no evidence that nothing changed.

    Parameters
    ----------
    row
        A row of the table of contrasts.
    """
    return float(np.fmax(row["se"], row.get("counting_se", np.nan)))


def power_for(direction: str, row: dict[str, Any], *, alpha: float, margin: float) -> Power:
    """Tell what the test behind a row of contrasts could show; nan where it was not tested.

    Parameters
    ----------
    direction, row, alpha, margin
        As `judge` takes them.
    """
    if np.isnan(row["se"]) or np.isnan(row["df"]):
        return Power(margin, np.nan, np.nan, np.nan)
    se, df = resolution(row), float(row["df"])
    find = equivalence_power if direction == UNCHANGED else power_of
    seen = detectable_effect(np.array([se]), np.array([df]))[0]
    return Power(
        margin, equivalence_p(row["estimate"], se, df, margin), find(margin, se, df, level=alpha), float(seen)
    )


def judge(direction: str, row: dict[str, Any], *, alpha: float, margin: float) -> str:
    """Give the reason for the verdict on a claim whose contrast exists.

    Parameters
    ----------
    direction
        up, down or unchanged, of the first arm against the second.
    row
        A row of the table of contrasts.
    alpha
        Level for q, and for the p of the equivalence test.
    margin
        Equivalence margin on the scale of the row's estimate.

    Returns
    -------
    One of `reasons.REASONS`.
    """
    if row["status"] != contrasts.TESTED:
        return _NOT_JUDGED[row["status"]]
    significant = bool(row["q"] <= alpha)
    equivalent = equivalence_p(row["estimate"], resolution(row), row["df"], margin) <= alpha
    if direction == UNCHANGED:
        if equivalent:
            return reasons.EQUIVALENT
        return reasons.CHANGED if significant else reasons.NOT_EQUIVALENT
    if not significant:
        return reasons.WITHIN_MARGIN if equivalent else reasons.NOT_SIGNIFICANT
    same = np.sign(row["estimate"]) == (1 if direction == UP else -1)
    return reasons.SAME_DIRECTION if same else reasons.OPPOSITE_DIRECTION
