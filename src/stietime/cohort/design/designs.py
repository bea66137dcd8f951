"""Which contrasts the sample sheet allows: two arms of samples each, with the patients they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names
from stietime.cohort.design.samples import CANCER, DONOR, TREATMENT, UNTREATED

if TYPE_CHECKING:
    from collections.abc import Iterator

STIE_VS_TIME: Final = "stie_vs_time"
TIME_VS_NORMAL: Final = "time_vs_normal"
PATIENT_VS_DONOR: Final = "patient_vs_donor_blood"
AFTER_VS_BEFORE: Final = "after_vs_before"

BASELINE: Final = "baseline"
AFTER: Final = "after"
OTHER: Final = "other"
SECOND_DIFFERENCE: Final = ", second difference"


@dataclass(frozen=True)
class Contrast:
    """Two arms of samples; an estimate above 0 means higher in the first.

    Parameters
    ----------
    name
        Unique name: the design, the environment where it has one, and the stratum.
    design
        One of the reviews' designs, such as `stie_vs_time`.
    environment
        Environment of both arms; empty where the arms differ in it.
    first, second
        The patient of each sample, with samples as index.
    paired
        Whether the arms are compared within patients.
    cancer
        The cancer all patients have; empty where they have several, or none is named.
    treatment
        The treatment all patients had; empty where several, and for baseline designs `untreated`.
    minus
        A second contrast, within patients: the difference of the first two arms less its difference is
        compared, within patients if `paired`, else between the patients of both differences.
    """

    name: str
    design: str
    environment: str
    first: pd.Series
    second: pd.Series
    paired: bool
    cancer: str = ""
    treatment: str = UNTREATED
    minus: Contrast | None = None

    def differences(self) -> dict[str, Contrast]:
        """Give the contrast, and its second difference behind `SECOND_DIFFERENCE` if it has one."""
        return {"": self} | ({SECOND_DIFFERENCE: self.minus} if self.minus is not None else {})

    @cached_property
    def patients(self) -> pd.Index:
        """Patients the contrast can rest on: those in both arms if paired, else those in either."""
        if self.minus is not None:
            each = [replace(self, minus=None, paired=True).patients, self.minus.patients]
            first, second = each
        else:
            first, second = pd.Index(self.first.unique()), pd.Index(self.second.unique())
        common: pd.Index = first.intersection(second) if self.paired else first.union(second)
        return common


def timing(samples: pd.DataFrame, *, before: str, after: str) -> pd.Series:
    """Tell baseline samples from those after treatment.

    A sample without a time point is taken as baseline only when it is untreated; a treated one might be
    either, so it is `other`, as is any further time point.

    Parameters
    ----------
    samples
        Named samples with `timepoint` and `treatment`.
    before, after
        Values of `timepoint`; the case does not matter.

    Returns
    -------
    `baseline`, `after` or `other` for each sample.
    """
    point = samples[names.TIMEPOINT].str.strip().str.casefold()
    when = pd.Series(OTHER, index=samples.index, dtype=object)
    when[point == after.casefold()] = AFTER
    when[(point == before.casefold()) | ((point == "") & (samples[TREATMENT] == UNTREATED))] = BASELINE
    return when


def find_contrasts(samples: pd.DataFrame, *, before: str, after: str, min_pairs: int) -> list[Contrast]:
    """List every contrast that has at least one sample in both arms.

    Where patients differ in cancer (or treatment), the contrast over all of them comes first, and one for
    each cancer (and treatment) follows.

    Parameters
    ----------
    samples
        As `name_cohort` gives them.
    before, after
        Values of `timepoint`.
    min_pairs
        `time_vs_normal` is paired where at least this many patients gave both.
    """
    when = timing(samples, before=before, after=after)
    found = []
    for contrast in _over_all(samples, when):
        strata = [contrast, *_strata(contrast, samples)]
        found += [_labelled(c, samples, min_pairs) for c in strata if len(c.first) and len(c.second)]
    return found


def _over_all(samples: pd.DataFrame, when: pd.Series) -> Iterator[Contrast]:
    environment = samples[names.ENVIRONMENT]
    donor = samples[DONOR]
    base, after = when == BASELINE, when == AFTER

    def between(name: str, first: pd.Series, second: pd.Series, *, paired: bool, where: str = "") -> Contrast:
        """Make a contrast of two choices of samples."""
        design = name.partition(":")[0]
        patients = samples[names.PATIENT]
        return Contrast(name, design, where, patients[first], patients[second], paired=paired)

    tumour, normal = (environment == names.TIME) & ~donor, environment == names.NORMAL
    blood, donor_blood = (environment == names.STIE) & ~donor, (environment == names.STIE) & donor
    yield between(STIE_VS_TIME, blood & base, tumour & base, paired=True)
    yield between(TIME_VS_NORMAL, tumour & base, normal & base, paired=False)
    yield between(PATIENT_VS_DONOR, blood & base, donor_blood & base, paired=False, where=names.STIE)
    for where, chosen in ((names.STIE, blood), (names.TIME, tumour)):
        name = f"{AFTER_VS_BEFORE}:{where}"
        yield between(name, chosen & after, chosen & base, paired=True, where=where)


def _strata(contrast: Contrast, samples: pd.DataFrame) -> Iterator[Contrast]:
    """Split a contrast by treatment, by cancer, and by both, wherever there is more than one."""
    rows = samples.loc[contrast.first.index]
    treatments = sorted(set(rows[TREATMENT])) if contrast.design == AFTER_VS_BEFORE else []
    cancers = sorted(set(rows[CANCER]))
    by_treatment = list(treatments) if len(treatments) > 1 else []
    by_cancer = [cancer for cancer in cancers if cancer] if len(cancers) > 1 else []
    wanted = [("", cancer) for cancer in by_cancer]
    wanted += [(treatment, cancer) for treatment in by_treatment for cancer in ("", *by_cancer)]
    for treatment, cancer in wanted:
        chosen = pd.Series(data=True, index=rows.index)
        if treatment:
            chosen &= rows[TREATMENT] == treatment
        if cancer:
            chosen &= rows[CANCER] == cancer
        labels = [f"{key}={value}" for key, value in ((TREATMENT, treatment), (CANCER, cancer)) if value]
        second = _matching(contrast, samples, set(rows.loc[chosen, names.PATIENT]), cancer)
        yield replace(
            contrast, name=";".join([contrast.name, *labels]), first=contrast.first[chosen], second=second
        )


def _matching(contrast: Contrast, samples: pd.DataFrame, patients: set[str], cancer: str) -> pd.Series:
    """Choose the second arm of a stratum: its patients, and donors, who belong to every stratum."""
    rows = samples.loc[contrast.second.index]
    if contrast.paired:
        return contrast.second[rows[names.PATIENT].isin(patients)]
    return contrast.second[rows[DONOR] | (rows[CANCER] == cancer)]


def _labelled(contrast: Contrast, samples: pd.DataFrame, min_pairs: int) -> Contrast:
    """Say whether a contrast is paired, and which cancer and treatment it stands for."""
    if contrast.design == TIME_VS_NORMAL:
        both = set(contrast.first) & set(contrast.second)
        contrast = replace(contrast, paired=len(both) >= min_pairs)
    rows = samples.loc[contrast.first.index]
    # a contrast without a pair is named after all its patients
    if contrast.paired and len(contrast.patients):
        rows = rows[rows[names.PATIENT].isin(contrast.patients)]
    cancers = set(rows[CANCER])
    treatments = set(rows[TREATMENT]) if contrast.design == AFTER_VS_BEFORE else {UNTREATED}
    return replace(
        contrast,
        cancer=cancers.pop() if len(cancers) == 1 else "",
        treatment=treatments.pop() if len(treatments) == 1 else "",
    )
