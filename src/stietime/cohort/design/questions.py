"""Which contrasts a sample sheet could hold, and what is missing for those that it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.design import designs, treatment_designs
from stietime.cohort.design.samples import DONOR
from stietime.cohort.design.treatment import (
    FIELD,
    IN_FIELD,
    LESION_FIELD,
    NON_RESPONDER,
    OUT_OF_FIELD,
    RESPONDER,
    RESPONSE,
    RESPONSE_GROUP,
)
from stietime.cohort.testing.power import detectable_effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    Mask = pd.Series

MOST_NAMED: Final = 5  # patients in one sentence
PRIOR_SPREAD: Final = 1.0  # log-odds, standard deviation between patients; docs/statistics.md says from where
COLUMNS: Final = ("contrast", "n_patients", "n_pairs", "n_first", "n_second", "missing", "planned_effect")


@dataclass(frozen=True)
class Question:
    """A contrast that a sheet could hold.

    Parameters
    ----------
    contrast
        Its name.
    arms
        Samples of each arm (four for a difference of differences), each with its name in words.
    paired
        Whether a patient has to be in all arms; else there are two groups.
    column
        A column that the sheet must fill for it; empty where it needs none of its own.
    """

    contrast: str
    arms: dict[str, pd.Series]
    paired: bool = True
    column: str = ""


def list_questions(samples: pd.DataFrame, *, before: str, after: str, min_pairs: int) -> pd.DataFrame:
    """Say of every built-in contrast how many patients it has, and what is missing.

    Parameters
    ----------
    samples
        As `name_treatment` gives them, without excluded samples.
    before, after
        Values of `timepoint`.
    min_pairs
        Pairs, or patients of each group, that a test needs.

    Returns
    -------
    One row per contrast with the columns of `COLUMNS`: patients in all arms if paired (`n_pairs`), else in
    either; `missing` in words, empty where enough is there; `planned_effect` is the smallest effect
    (log-odds) that a single test at p = 0.05 would find with 80 % power at a spread of `PRIOR_SPREAD`, with
    the patients there are, or with as many as the test needs.
    """
    when = designs.timing(samples, before=before, after=after)
    rows = [_row(question, samples, min_pairs) for question in _questions(samples, when)]
    table = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    return table.assign(planned_effect=_planned(table, min_pairs))


def _questions(samples: pd.DataFrame, when: pd.Series) -> Iterator[Question]:
    environment, patient = samples[names.ENVIRONMENT], ~samples[DONOR].astype(bool)
    base, after = when == designs.BASELINE, when == designs.AFTER
    blood = patient & (environment == names.STIE)
    tumour = patient & (environment == names.TIME)
    normal = environment == names.NORMAL
    donor = (environment == names.STIE) & ~patient
    tumour_at = {"tumour before treatment": tumour & base, "tumour after": tumour & after}
    blood_at = {"blood before treatment": blood & base, "blood after": blood & after}
    first = {"blood before treatment": blood & base, "tumour before treatment": tumour & base}
    yield Question(designs.STIE_VS_TIME, first)
    second = {"tumour before treatment": tumour & base, "normal tissue": normal & base}
    yield Question(designs.TIME_VS_NORMAL, second, paired=False)
    third = {"blood of patients before treatment": blood & base, "blood of donors": donor & base}
    yield Question(designs.PATIENT_VS_DONOR, third, paired=False)
    yield Question(f"{designs.AFTER_VS_BEFORE}:{names.STIE}", blood_at)
    yield Question(f"{designs.AFTER_VS_BEFORE}:{names.TIME}", tumour_at)
    yield Question(treatment_designs.TUMOUR_MINUS_BLOOD, tumour_at | blood_at)
    yield from _of_response(samples, {"blood": blood, "tumour": tumour}, {"before": base, "after": after})
    yield from _of_field(samples[LESION_FIELD], tumour, base, after, blood_at)


def _of_response(
    samples: pd.DataFrame, places: dict[str, Mask], moments: dict[str, Mask]
) -> Iterator[Question]:
    told = {"before": treatment_designs.RESPONDER_VS_NON, "after": treatment_designs.RESPONDER_VS_NON_AFTER}
    environments = {"blood": names.STIE, "tumour": names.TIME}
    groups = {"responders": RESPONDER, "non-responders": NON_RESPONDER}
    of_group = {word: samples[RESPONSE_GROUP] == group for word, group in groups.items()}
    for moment, at in moments.items():
        for place, here in places.items():
            arms = {f"{place} of {word} {moment}": here & at & own for word, own in of_group.items()}
            yield Question(f"{told[moment]}:{environments[place]}", arms, paired=False, column=RESPONSE)
    for place, here in places.items():
        both = [set(samples.loc[here & at, names.PATIENT]) for at in moments.values()]
        twice = here & samples[names.PATIENT].isin(set.intersection(*both))
        arms = {f"{place} of {word} before and after": twice & own for word, own in of_group.items()}
        name = f"{treatment_designs.CHANGE_RESPONDER_VS_NON}:{environments[place]}"
        yield Question(name, arms, paired=False, column=RESPONSE)


def _of_field(
    field: pd.Series, tumour: Mask, base: Mask, after: Mask, blood: dict[str, Mask]
) -> Iterator[Question]:
    words = {OUT_OF_FIELD: "unirradiated lesion", IN_FIELD: "irradiated lesion"}
    lesions = {
        key: {
            f"{word} before": tumour & base & (field == key),
            f"{word} after": tumour & after & (field == key),
        }
        for key, word in words.items()
    }
    name = treatment_designs.field_name
    for key in words:
        yield Question(name(names.TIME, key), lesions[key], column=FIELD)
    every = lesions[OUT_OF_FIELD] | lesions[IN_FIELD]
    yield Question(name(names.TIME, f"{OUT_OF_FIELD}-{IN_FIELD}"), every, column=FIELD)
    for key in words:
        yield Question(name(f"{names.TIME}-{names.STIE}", key), lesions[key] | blood, column=FIELD)


def _row(question: Question, samples: pd.DataFrame, min_pairs: int) -> tuple[object, ...]:
    patients = {word: set(samples.loc[mask, names.PATIENT]) for word, mask in question.arms.items()}
    sets = list(patients.values())
    complete, any_arm = set.intersection(*sets), set.union(*sets)
    sizes = [len(found) for found in sets[:2]]
    missing = _missing(question, patients, complete, min_pairs)
    given = samples[question.column].fillna("").astype(str) if question.column in samples else pd.Series()
    if question.column and not (given != "").any():
        missing = f"the sample sheet does not fill the column {question.column}"
    n = len(complete if question.paired else any_arm)
    return question.contrast, n, len(complete) if question.paired else 0, *sizes, missing


def _missing(question: Question, patients: dict[str, set[str]], complete: set[str], min_pairs: int) -> str:
    """Say in words what is missing; empty where a test has enough."""
    empty = [word for word, found in patients.items() if not found]
    if empty:
        return "no sample of " + ", none of ".join(empty)
    if not question.paired:
        few = [f"{len(found)} of {word}" for word, found in patients.items() if len(found) < min_pairs]
        return f"{min_pairs} patients of each needed, there are {' and '.join(few)}" if few else ""
    if len(complete) >= min_pairs:
        return ""
    every = set.union(*patients.values())
    lacking = {word: sorted(every - found) for word, found in patients.items() if every - found}
    told = ", ".join(f"{_named(who)} without {word}" for word, who in lacking.items())
    what = "pairs" if len(patients) == 2 else "patients with all four samples"
    return f"{min_pairs} {what} needed, {len(complete)} there" + (f": {told}" if told else "")


def _named(patients: list[str]) -> str:
    rest = len(patients) - MOST_NAMED
    return ", ".join(patients[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _planned(table: pd.DataFrame, min_pairs: int) -> np.ndarray:
    """Give the smallest effect at the prior spread, with at least as many patients as a test needs."""
    counts = table[["n_pairs", "n_first", "n_second"]].to_numpy(dtype=float)
    pairs, first, second = np.maximum(counts, min_pairs).T
    between = table["contrast"].isin(_between_groups(table)).to_numpy()
    variance = np.where(between, 1 / first + 1 / second, 1 / pairs)
    df = np.where(between, first + second - 2, pairs - 1)
    return detectable_effect(PRIOR_SPREAD * np.sqrt(variance), df)


def _between_groups(table: pd.DataFrame) -> list[str]:
    starts = (
        *(designs.TIME_VS_NORMAL, designs.PATIENT_VS_DONOR),
        *(treatment_designs.RESPONDER_VS_NON, treatment_designs.CHANGE_RESPONDER_VS_NON),
    )
    return [name for name in table["contrast"] if name.startswith(starts)]
