"""Contrasts of response and of radiotherapy, and whether treatment moves blood and tumour alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names
from stietime.cohort.design.designs import (
    AFTER,
    AFTER_VS_BEFORE,
    BASELINE,
    Contrast,
    find_contrasts,
    timing,
)
from stietime.cohort.design.samples import CANCER, DONOR, TREATMENT, UNTREATED
from stietime.cohort.design.treatment import (
    DOSE,
    DOSE_CLASS,
    FIELD,
    IN_FIELD,
    LESION_FIELD,
    LESION_NAME,
    MODALITY,
    MODALITY_GIVEN,
    NON_RESPONDER,
    OUT_OF_FIELD,
    RESPONDER,
    RESPONSE_GROUP,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

RESPONDER_VS_NON: Final = "responder_vs_non"
RESPONDER_VS_NON_AFTER: Final = "responder_vs_non_after"
CHANGE_RESPONDER_VS_NON: Final = "change_responder_vs_non"
TUMOUR_MINUS_BLOOD: Final = f"{AFTER_VS_BEFORE}:{names.TIME}-{names.STIE}"
# designs of their own, so that no claim about treatment in general rests on a part of it
DIFFERENCE: Final = "after_vs_before_difference"
BY_FIELD: Final = "after_vs_before_by_field"
BY_RADIOTHERAPY: Final = "after_vs_before_by_radiotherapy"

SIDES: Final = ((names.STIE, "blood"), (names.TIME, "tumour"))


def every_contrast(samples: pd.DataFrame, *, before: str, after: str, min_pairs: int) -> list[Contrast]:
    """List the built-in contrasts: those of `find_contrasts`, then those of this module.

    Parameters
    ----------
    samples
        As `name_treatment` gives them; without its columns only those of `find_contrasts` are made.
    before, after, min_pairs
        As `find_contrasts` takes them.
    """
    found = find_contrasts(samples, before=before, after=after, min_pairs=min_pairs)
    return [*found, *find_treatment_contrasts(samples, before=before, after=after)]


def find_treatment_contrasts(samples: pd.DataFrame, *, before: str, after: str) -> list[Contrast]:
    """List the contrasts of response and radiotherapy, and the differences of differences.

    Those between groups need a sample in either arm; those within patients at least one patient in all arms.

    Parameters
    ----------
    samples
        As `name_treatment` gives them.
    before, after
        Values of `timepoint`.
    """
    when = timing(samples, before=before, after=after)
    patients = samples[~samples[DONOR]]
    when = when.loc[patients.index]
    found = [*_by_response(patients, when), *_differences(patients, when), *_of_radiotherapy(patients, when)]
    return [_labelled(contrast, samples) for contrast in found if _possible(contrast)]


def _possible(contrast: Contrast) -> bool:
    if contrast.minus is not None and not contrast.paired:  # two groups, each of patients with both samples
        groups = replace(contrast, minus=None, paired=True), contrast.minus
        return all(len(group.patients) for group in groups)
    return bool(len(contrast.first) and len(contrast.second) and len(contrast.patients))


def _labelled(contrast: Contrast, samples: pd.DataFrame) -> Contrast:
    """Name the cancer and treatment that all patients share."""
    rows = samples.loc[[*contrast.first.index, *contrast.second.index]]
    rows = rows[rows[names.PATIENT].isin(contrast.patients)]
    cancers, treatments = set(rows[CANCER]), set(rows[TREATMENT]) - {UNTREATED}
    return replace(
        contrast,
        cancer=cancers.pop() if len(cancers) == 1 else "",
        treatment=treatments.pop() if len(treatments) == 1 else "",
    )


def _by_response(samples: pd.DataFrame, when: pd.Series) -> Iterator[Contrast]:
    """Compare responders with the others in blood and tumour: at baseline, after treatment, in the change."""
    if RESPONSE_GROUP not in samples:
        return
    group, patients = samples[RESPONSE_GROUP], samples[names.PATIENT]
    for design, moment in ((RESPONDER_VS_NON, BASELINE), (RESPONDER_VS_NON_AFTER, AFTER)):
        for environment, _ in SIDES:
            here = (samples[names.ENVIRONMENT] == environment) & (when == moment)
            first, second = patients[here & (group == RESPONDER)], patients[here & (group == NON_RESPONDER)]
            yield Contrast(f"{design}:{environment}", design, environment, first, second, paired=False)
    for environment, _ in SIDES:
        name, design = f"{CHANGE_RESPONDER_VS_NON}:{environment}", CHANGE_RESPONDER_VS_NON
        change, other = (
            _change(samples, when, name, design, environment, group == each)
            for each in (RESPONDER, NON_RESPONDER)
        )
        yield replace(change, paired=False, minus=other)


def _change(
    samples: pd.DataFrame, when: pd.Series, name: str, design: str, environment: str, chosen: pd.Series
) -> Contrast:
    """Make the contrast after against before of some samples of an environment."""
    patients = samples[names.PATIENT]
    here = chosen & (samples[names.ENVIRONMENT] == environment)
    first, second = patients[here & (when == AFTER)], patients[here & (when == BASELINE)]
    return Contrast(name, design, environment, first, second, paired=True)


def _minus(name: str, design: str, environment: str, one: Contrast, other: Contrast) -> Contrast:
    """Make the difference of two changes within patients."""
    return replace(one, name=name, design=design, environment=environment, minus=replace(other, name=name))


def _differences(samples: pd.DataFrame, when: pd.Series) -> Iterator[Contrast]:
    """Take the change of blood from that of the tumour, over all and by treatment."""
    every = pd.Series(data=True, index=samples.index)
    blood, tumour = (_change(samples, when, "", DIFFERENCE, environment, every) for environment, _ in SIDES)
    whole = _minus(TUMOUR_MINUS_BLOOD, DIFFERENCE, "", tumour, blood)
    yield whole
    rows = samples[samples[names.PATIENT].isin(whole.patients) & (when == AFTER)]
    treatments = sorted(set(rows[TREATMENT]))
    for treatment in treatments if len(treatments) > 1 else ():
        part = samples.loc[tumour.first.index, TREATMENT] == treatment
        name = f"{TUMOUR_MINUS_BLOOD};{TREATMENT}={treatment}"
        yield replace(whole, name=name, first=whole.first[part])


def _of_radiotherapy(samples: pd.DataFrame, when: pd.Series) -> Iterator[Contrast]:
    """Compare lesions in the field and out of it, before and after, and by modality and dose."""
    if LESION_FIELD not in samples:
        return
    yield from _by_field(samples, when)
    for column, key in ((MODALITY_GIVEN, MODALITY), (DOSE_CLASS, DOSE)):
        for environment, _ in SIDES:
            yield from _by_class(samples, when, environment, column, key)


def field_name(environment: str, field: str) -> str:
    """Name the contrast after against before of lesions in a field.

    Parameters
    ----------
    environment
        Such as `TIME` or, of a difference, `TIME-STIE`.
    field
        `in`, `out` or, of a difference, `out-in`.
    """
    return f"{AFTER_VS_BEFORE}:{environment};{FIELD}={field}"


def _by_field(samples: pd.DataFrame, when: pd.Series) -> Iterator[Contrast]:
    changes = {}
    for field in (OUT_OF_FIELD, IN_FIELD):
        name = field_name(names.TIME, field)
        chosen = samples[LESION_FIELD] == field
        change = _change(samples, when, name, BY_FIELD, names.TIME, chosen)
        changes[field] = _same_lesions(change, samples[LESION_NAME])
        yield changes[field]
    out = changes[OUT_OF_FIELD]
    name = field_name(names.TIME, f"{OUT_OF_FIELD}-{IN_FIELD}")
    yield _minus(name, BY_FIELD, names.TIME, out, changes[IN_FIELD])
    every = pd.Series(data=True, index=samples.index)
    blood = _change(samples, when, "", BY_FIELD, names.STIE, every)
    for field, change in changes.items():
        name = field_name(f"{names.TIME}-{names.STIE}", field)
        yield _minus(name, BY_FIELD, "", change, blood)


def _same_lesions(contrast: Contrast, lesions: pd.Series) -> Contrast:
    """Leave lesions out that were sampled on one side only, of patients with one sampled on both."""
    first, second = (arm + "\t" + lesions.loc[arm.index] for arm in (contrast.first, contrast.second))
    named = lesions.loc[contrast.first.index] != ""
    both = set(first[named]) & set(second)
    matched = {key.partition("\t")[0] for key in both}
    keep = [
        keys.isin(both) | ~arm.isin(matched)
        for keys, arm in zip((first, second), _arms(contrast), strict=True)
    ]
    return replace(contrast, first=contrast.first[keep[0]], second=contrast.second[keep[1]])


def _arms(contrast: Contrast) -> tuple[pd.Series, pd.Series]:
    return contrast.first, contrast.second


def _by_class(
    samples: pd.DataFrame, when: pd.Series, environment: str, column: str, key: str
) -> Iterator[Contrast]:
    """Split after against before by what was given, where at least two classes have a pair of samples."""
    every = pd.Series(data=True, index=samples.index)
    whole = _change(samples, when, "", BY_RADIOTHERAPY, environment, every)
    given = samples.loc[whole.first.index, column]
    parts = [
        replace(
            whole,
            name=f"{AFTER_VS_BEFORE}:{environment};{key}={value}",
            first=whole.first[given == value],
            second=whole.second[whole.second.isin(whole.first[given == value])],
        )
        for value in sorted(set(given) - {""})
    ]
    parts = [part for part in parts if _possible(part)]
    if len(parts) > 1:
        yield from parts
