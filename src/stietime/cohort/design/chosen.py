"""Contrasts that the configuration names: arms chosen by conditions on columns of the sample sheet."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names
from stietime.cohort.design.designs import Contrast
from stietime.cohort.design.samples import CANCER, DONOR
from stietime.cohort.design.treatment import DERIVED
from stietime.errors import InputError, raise_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DESIGN: Final = "configured"
NUMBER: Final = r"[-+]?\d+(?:\.\d+)?"
LIMIT: Final = re.compile(rf"(<=|>=|<|>)\s*({NUMBER})")
OPERATORS: Final[dict[str, Callable[[pd.Series, float], pd.Series]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MOST_NAMED: Final = 12  # values told in an error

Conditions = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Chosen:
    """A contrast as the configuration describes it.

    Parameters
    ----------
    name
        Its name.
    first, second
        Columns of the sample sheet, each with the values it may have, or one limit such as `>= 8`.
    paired
        Whether arms (or, with a second difference, the differences) are compared within patients.
    minus_first, minus_second
        Arms of a difference that is taken from that of the first two; empty without.
    """

    name: str
    first: Conditions
    second: Conditions
    paired: bool = True
    minus_first: Conditions | None = None
    minus_second: Conditions | None = None


def columns_of(chosen: Sequence[Chosen]) -> list[str]:
    """List the columns that the conditions are about, without repeats.

    Parameters
    ----------
    chosen
        Contrasts of the configuration.
    """
    sides = [side for one in chosen for side in (one.first, one.second, one.minus_first, one.minus_second)]
    return list(dict.fromkeys(column for side in sides for column in side or {}))


def make_contrasts(chosen: Sequence[Chosen], samples: pd.DataFrame) -> list[Contrast]:
    """Choose the samples of every arm.

    Parameters
    ----------
    chosen
        Contrasts of the configuration.
    samples
        Named samples with the columns that the conditions are about, as text.

    Returns
    -------
    One contrast each, in their order; an arm may be empty where no sample meets all conditions.

    Raises
    ------
    InputError
        A column is not in the sample sheet, a value is in no sample, a limit meets what is no number, or the
        arms share samples: all at once, each with the values that were found.
    """
    errors: list[InputError] = []
    for one in chosen:
        for side, conditions in _sides(one).items():
            for column, allowed in conditions.items():
                errors += _errors_of(f"{one.name}, {side}", column, allowed, samples)
    raise_all(errors)
    made = [_make(one, samples) for one in chosen]
    raise_all([error for contrast in made for error in _shared(contrast)])
    return made


def _sides(one: Chosen) -> dict[str, Conditions]:
    sides = {"first": one.first, "second": one.second}
    if one.minus_first is not None and one.minus_second is not None:
        sides |= {"minus first": one.minus_first, "minus second": one.minus_second}
    return sides


def _errors_of(where: str, column: str, allowed: Sequence[str], samples: pd.DataFrame) -> list[InputError]:
    place = f"comparison.contrasts, {where}"
    if column not in samples.columns:
        known = ", ".join(name for name in samples.columns if name not in (DONOR, *DERIVED))
        what = f"the sample sheet has no column {column}; the columns that can be used are {known}"
        return [InputError(what, place, "mend the name of the column, or add it to the sample sheet")]
    found = samples[column].astype(str)
    values = sorted(set(found) - {""})
    told = ", ".join(values[:MOST_NAMED]) + (" and others" if len(values) > MOST_NAMED else "") or "none"
    errors = []
    for value in allowed:
        if LIMIT.fullmatch(value.strip()):
            broken = [text for text in values if pd.isna(pd.to_numeric(text, errors="coerce"))]
            if broken:
                has = ", ".join(broken[:MOST_NAMED])
                what = f"{column} {value} needs numbers, but the sample sheet has {has}"
                errors.append(InputError(what, place, f"leave the cell empty or give a number in {column}"))
        elif value.strip().casefold() not in {text.casefold() for text in found}:
            what = f"no sample has {column} {value!r}; found {told}"
            errors.append(InputError(what, place, "use values of the sample sheet, whatever their case"))
    return errors


def matching(samples: pd.DataFrame, conditions: Mapping[str, Sequence[str]]) -> pd.Series:
    """Say which samples meet all conditions.

    Parameters
    ----------
    samples
        Samples as index, columns as text.
    conditions
        Columns, each with the values it may have (whatever their case), or limits, all of which must hold. A
        sample without a number meets no limit.
    """
    meets = pd.Series(data=True, index=samples.index)
    for column, allowed in conditions.items():
        text = samples[column].astype(str).str.strip()
        limits = [found for value in allowed if (found := LIMIT.fullmatch(value.strip()))]
        words = {value.strip().casefold() for value in allowed if not LIMIT.fullmatch(value.strip())}
        numbers = pd.to_numeric(text, errors="coerce")
        within = pd.Series(data=bool(limits), index=samples.index)
        for limit in limits:
            within &= OPERATORS[limit[1]](numbers, float(limit[2]))
        meets &= text.str.casefold().isin(words) | within
    return meets


def _make(one: Chosen, samples: pd.DataFrame) -> Contrast:
    patients = samples[names.PATIENT]
    arms = {side: patients[matching(samples, conditions)] for side, conditions in _sides(one).items()}
    minus = None
    if "minus first" in arms:
        first, second = arms["minus first"], arms["minus second"]
        minus = Contrast(one.name, DESIGN, "", first, second, paired=True)
    rows = samples.loc[samples.index.isin([sample for arm in arms.values() for sample in arm.index])]
    environments, cancers = set(rows[names.ENVIRONMENT]), set(rows[CANCER]) - {""}
    return Contrast(
        one.name,
        DESIGN,
        environments.pop() if len(environments) == 1 else "",
        arms["first"],
        arms["second"],
        paired=one.paired,
        cancer=cancers.pop() if len(cancers) == 1 else "",
        treatment="",
        minus=minus,
    )


def _shared(contrast: Contrast) -> list[InputError]:
    pairs = [(contrast.first, contrast.second)]
    if contrast.minus is not None:
        pairs.append((contrast.minus.first, contrast.minus.second))
    errors = []
    for first, second in pairs:
        both = list(first.index.intersection(second.index))
        if both:
            what = f"the arms share the samples {', '.join(both[:MOST_NAMED])}"
            fix = "add a condition that tells the arms apart, such as timepoint or environment"
            errors.append(InputError(what, f"comparison.contrasts, {contrast.name}", fix))
    return errors
