"""Contrasts that rest on batch: whether the arms of a contrast can be told from a technical factor.

A contrast is confounded when its two arms share no batch and there are too few batches to tell the noise
between batches from the difference of the arms. Samples and patients are counted, never cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime.cells.embedding.design import (
    FULLY,
    MAX_NAMED,
    NEARLY,
    NONE_GIVEN,
    NOT,
    ONE_VALUE,
    PARTLY,
    values_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NESTED: Final = "nested"  # no shared batch, but enough batches on both sides
EMPTY: Final = "no samples"

# columns of the sheet that may stand for a technical difference, where the sheet has them
TECHNICAL: Final = ("batch", "chemistry", "study")
# how uneven the arms must be
NEARLY_UNEVEN: Final = 0.7
# batches of each arm from which their noise can be judged; as many as pairs that a test needs
MIN_BATCHES: Final = 3

VERDICT_COLUMNS: Final = (
    "contrast",
    "factor",
    "level",
    "confounded",
    "imbalance",
    "n_values_first",
    "n_values_second",
    "note",
)


class Arms(NamedTuple):
    """The samples of a contrast.

    Parameters
    ----------
    first, second
        The patient of each sample, with samples as index.
    paired
        Whether the arms are compared within patients.
    """

    first: pd.Series
    second: pd.Series
    paired: bool


def judge_contrasts(
    samples: pd.DataFrame, contrasts: Mapping[str, Arms], factors: Sequence[str] = TECHNICAL
) -> pd.DataFrame:
    """Say for each contrast whether its arms can be told from a technical factor.

    Every patient weighs the same; in a paired contrast only patients with samples in both arms count, so
    that a batch that holds both samples of a patient cancels; where there are none, all count. The imbalance
    is half the summed difference of the shares that the values of the factor have in the two arms: 0 where
    the arms are made up alike, 1 where they share no value.

    Parameters
    ----------
    samples
        The sample sheet, one row per sample, samples as index.
    contrasts
        The arms of each contrast by its name.
    factors
        Columns to judge by; those that the sheet lacks or leaves empty are passed over.

    Returns
    -------
    One row per contrast and factor: contrast, factor, level, confounded, imbalance, n_values_first,
    n_values_second, note. `confounded` is True where the arms share no value of the factor and an arm has
    fewer than three values; with three or more in each arm the level is `nested`. It is `no samples` where an
    arm has none, or a paired contrast has no pair and is not confounded either.
    """
    given = [factor for factor in factors if factor in samples and _is_given(samples, factor)]
    rows = [
        (name, factor, *_judge(values_of(samples, factor), arms, factor))
        for name, arms in contrasts.items()
        for factor in given
    ]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS)).astype({"confounded": bool})


def _is_given(samples: pd.DataFrame, factor: str) -> bool:
    return bool((values_of(samples, factor) != NONE_GIVEN).any())


def _judge(values: pd.Series, arms: Arms, factor: str) -> tuple[str, bool, float, int, int, str]:
    no_pairs = arms.paired and not set(arms.first) & set(arms.second)
    # arms of other patients have nothing to compare, and may be of other batches all the same
    judged = arms._replace(paired=False) if no_pairs else arms
    first, second = _shares(values, arms.first, judged), _shares(values, arms.second, judged)
    n_first, n_second = len(first), len(second)
    if not n_first or not n_second:
        return EMPTY, False, float("nan"), n_first, n_second, "an arm has no samples"
    imbalance = float(first.sub(second, fill_value=0).abs().sum() / 2)
    shared = len(first.index.intersection(second.index))
    level = _level(imbalance, shared, min(n_first, n_second), values.nunique())
    if no_pairs and level != FULLY:
        return EMPTY, False, float("nan"), n_first, n_second, "no patient has samples in both arms"
    return level, level == FULLY, imbalance, n_first, n_second, _tell(level, factor, first, second, imbalance)


def _level(imbalance: float, n_shared: int, fewest: int, n_values: int) -> str:
    if n_values < 2:
        return ONE_VALUE
    if not n_shared:
        return FULLY if fewest < MIN_BATCHES else NESTED
    if imbalance >= NEARLY_UNEVEN:
        return NEARLY
    return PARTLY if imbalance > 1e-9 else NOT


def _shares(values: pd.Series, arm: pd.Series, arms: Arms) -> pd.Series:
    """Give the share of each value in an arm, every patient weighing the same."""
    if arms.paired:
        arm = arm[arm.isin(set(arms.first) & set(arms.second))]
    if not len(arm):
        return pd.Series(dtype=np.float64)
    weights = 1 / (arm.map(arm.value_counts()) * arm.nunique())
    return pd.Series(weights.groupby(values.loc[arm.index].to_numpy()).sum())


def _tell(level: str, factor: str, first: pd.Series, second: pd.Series, imbalance: float) -> str:
    one, other = (_named(list(arm.index)) for arm in (first, second))
    if level == FULLY:
        return f"confounded with {factor}: {one} in the first arm, {other} in the second, none in both"
    if level == NESTED:
        return (
            f"no {factor} in both arms ({len(first)} and {len(second)}): its differences add to the noise, "
            "and the sheet does not tell whether the arms also differ in laboratory or protocol"
        )
    if level in (NEARLY, PARTLY):
        return f"{level} confounded with {factor}: {imbalance:.0%} of it would have to change arms to be even"
    return "" if level == ONE_VALUE else f"{factor} is shared evenly between the arms"


def _named(values: list[object]) -> str:
    rest = len(values) - MAX_NAMED
    return ", ".join(map(str, values[:MAX_NAMED])) + (f" and {rest} more" if rest > 0 else "")


def confounded_contrasts(verdicts: pd.DataFrame) -> dict[str, str]:
    """Give the contrasts from which nothing can be concluded, each with the reason in words.

    Parameters
    ----------
    verdicts
        As `judge_contrasts` gives them.
    """
    bad = verdicts[verdicts["confounded"]]
    return {str(name): "; ".join(notes) for name, notes in bad.groupby("contrast", sort=False)["note"]}
