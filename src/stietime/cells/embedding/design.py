"""What the sample sheet allows to be told apart: factors of the design that go together.

Samples are counted, never cells. A factor is fully confounded with another when each of its values holds one
value of the other: then correction over the factor takes the differences of the other out of the embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FULLY: Final = "fully"
NEARLY: Final = "nearly"
PARTLY: Final = "partly"
NOT: Final = "not"
ONE_VALUE: Final = "one value"

OF_INTEREST: Final = (names.ENVIRONMENT, names.TIMEPOINT, names.PATIENT)
# how much of the other a factor must tell: Cramer's V of 0.7 where the other has two values
NEARLY_TOLD: Final = 0.49
NONE_GIVEN: Final = "(none given)"
MAX_NAMED: Final = 5

RELATION_COLUMNS: Final = (
    "factor",
    "other",
    "level",
    "tau",
    "n_factor",
    "n_other",
    "n_samples",
    "note",
)


def relate_factors(
    samples: pd.DataFrame, factors: Iterable[str], others: Sequence[str] = OF_INTEREST
) -> pd.DataFrame:
    """Say for pairs of factors how far the first determines the second.

    Parameters
    ----------
    samples
        The sample sheet, one row per sample, samples as index; a value that is missing or empty is a value
        of its own.
    factors
        Columns that may be corrected for or may stand in the way: batch, chemistry, patient. Those that the
        sheet lacks are passed over, and a factor is not held against itself.
    others
        Columns that a reader wants to compare.

    Returns
    -------
    One row per pair: factor, other, level, tau, n_factor and n_other (values), n_samples, note. The level is
    `fully` (each value of the factor holds one value of the other), `nearly` (tau of at least 0.49, which is
    a Cramer's V of 0.7 where the other has two values), `partly` (some values of the factor hold one value of
    the other), `not`, or `one value`.
    """
    given = [factor for factor in dict.fromkeys(factors) if factor in samples]
    rows = [
        _relate(samples, factor, other)
        for factor in given
        for other in others
        if other in samples and other != factor
    ]
    return pd.DataFrame(rows, columns=list(RELATION_COLUMNS))


def values_of(samples: pd.DataFrame, column: str) -> pd.Series:
    """Give the values of a column as strings; what is missing or empty is `(none given)`."""
    values = samples[column].astype(object)
    return values.where(values.notna() & (values.astype(str).str.strip() != ""), NONE_GIVEN).astype(str)


def _relate(samples: pd.DataFrame, factor: str, other: str) -> tuple[object, ...]:
    one, two = values_of(samples, factor), values_of(samples, other)
    strength = told_share(one, two)
    held = two.groupby(one).unique()
    pure = held[held.map(len) == 1]
    if min(one.nunique(), two.nunique()) < 2:
        single = factor if one.nunique() < 2 else other
        level, note = ONE_VALUE, f"all samples are of one {single}: nothing to confound"
    elif len(pure) == len(held):
        level, note = FULLY, f"every {factor} holds one {other} ({_pairs(pure)})"
    elif strength >= NEARLY_TOLD:
        level, note = NEARLY, f"{factor} tells the {other} of most samples (tau {strength:.2f})"
    elif len(pure):
        level, note = (
            PARTLY,
            f"{len(pure)} of {len(held)} values of {factor} hold one {other} ({_pairs(pure)})",
        )
    else:
        level, note = NOT, f"every {factor} holds more than one {other}"
    return factor, other, level, strength, one.nunique(), two.nunique(), len(samples), note


def told_share(factor: pd.Series, other: pd.Series) -> float:
    """Give the share of another factor's variation that a factor tells: Goodman and Kruskal's tau.

    tau = (sum_ij p_ij^2 / p_i. - sum_j p_.j^2) / (1 - sum_j p_.j^2), with i the factor and j the other: 0
    where they are independent, 1 where each value of the factor holds one value of the other. Where the
    other has two values it is the square of Cramer's V.

    Parameters
    ----------
    factor, other
        Values of the same samples.

    Returns
    -------
    tau; nan where the other has one value.
    """
    shares = pd.crosstab(factor.to_numpy(), other.to_numpy(), normalize=True).to_numpy()
    chance = float((shares.sum(axis=0) ** 2).sum())
    if shares.shape[1] < 2:
        return float("nan")
    within = float((shares**2 / shares.sum(axis=1, keepdims=True)).sum())
    return (within - chance) / (1 - chance)


def _pairs(held: pd.Series) -> str:
    told = [f"{name}: {values[0]}" for name, values in held.iloc[:MAX_NAMED].items()]
    return ", ".join(told) + (f" and {len(held) - MAX_NAMED} more" if len(held) > MAX_NAMED else "")
