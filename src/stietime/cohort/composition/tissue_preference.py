"""Tissue preference of cell types: observed over expected numbers of cells (Ro/e), patients as the unit."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cohort.composition.composition import (
    LEVEL_CELL_TYPE,
    LEVEL_IMMUNE,
    LEVEL_LINEAGE,
    LEVEL_STATE,
    NOT_CAPTURED,
)
from stietime.cohort.design.designs import AFTER, BASELINE, OTHER, timing
from stietime.cohort.design.samples import DONOR
from stietime.cohort.testing.moderated import t_quantile

LEVELS: Final = (LEVEL_LINEAGE, LEVEL_IMMUNE, LEVEL_CELL_TYPE, LEVEL_STATE)
MIN_EXPECTED: Final = 5.0  # Cochran 1954: fewer expected cells are too few for a ratio
MEAN: Final = "mean of patients"
POOLED: Final = "all cells pooled"
MOMENT: Final = "moment"
COLUMNS: Final = (
    *(MOMENT, "entity", "level", "parent", "environment", "patient", "observed", "expected", "roe"),
    *("log2_roe", "ci_low", "ci_high", "n_patients", "note"),
)
_KEYS: Final = [MOMENT, "entity", "level", "parent"]


def tissue_preference(
    composition: pd.DataFrame, *, before: str, after: str, min_parent_cells: int, min_patients: int
) -> pd.DataFrame:
    """Compare where the cells of each kind are with where they would be by chance.

    Of the cells of a parent, e_ij = n_i. n_.j / n.. of kind i are expected in environment j where the kind
    does not depend on the environment (the expectation of the chi-square test), and Ro/e = n_ij / e_ij. It is
    computed within each patient, over the environments that the patient gave at that moment; log2 of
    (n_ij + 1/2) / (e_ij + 1/2) is averaged over patients, with a t interval. Patients with fewer than five
    expected cells are left out of the mean.

    Parameters
    ----------
    composition
        As `count_entities` gives it, with patient, environment, timepoint, treatment and donor.
    before, after
        Values of `timepoint`.
    min_parent_cells
        An environment of a patient with fewer cells of the parent does not count.
    min_patients
        Fewer patients have a mean, and no interval.

    Returns
    -------
    One row per moment (baseline, after), entity, environment and patient; one for the mean of patients
    (`roe` is 2 to the mean, the interval is that of log2); and one for all cells of these patients pooled, as
    published, without interval, since cells are no replicates. Differences are tested in the contrasts.

    References
    ----------
    Guo et al. 2018, Nat Med 24:978; Zhang et al. 2018, Nature 564:268.
    """
    counts = _counts(composition, before, after, min_parent_cells)
    each = _expected(counts, [*_KEYS, names.PATIENT])
    whole = _pooled(counts)
    means = _means(each, min_patients)
    each = each.assign(n_patients=1, note=np.where(each["expected"] < MIN_EXPECTED, _few(), ""))
    table = pd.concat([means, whole, each], ignore_index=True).reindex(columns=list(COLUMNS))
    table["note"] = table["note"].fillna("")
    return table


def _few() -> str:
    return f"fewer than {MIN_EXPECTED:g} cells expected: not in the mean"


def _counts(composition: pd.DataFrame, before: str, after: str, min_parent_cells: int) -> pd.DataFrame:
    """Sum the samples of each patient by moment and environment, where the parent was captured."""
    sheet = composition.drop_duplicates(names.SAMPLE).set_index(names.SAMPLE)
    text = sheet[[names.TIMEPOINT, "treatment"]].fillna("").astype(str)
    when = timing(text, before=before, after=after)
    captured = ~composition["note"].fillna("").astype(str).str.startswith(NOT_CAPTURED)
    donor = composition[DONOR].astype(bool)
    rows = composition[composition["level"].isin(LEVELS) & captured & ~donor & composition["n"].notna()]
    rows = rows.assign(**{MOMENT: rows[names.SAMPLE].map(when)})
    # a type that is its own lineage stands as the lineage
    rows = rows[
        (rows[MOMENT] != OTHER) & ((rows["level"] != LEVEL_CELL_TYPE) | (rows["entity"] != rows["parent"]))
    ]
    rows = rows.assign(**{name: rows[name].astype(float) for name in ("n", "n_parent")})
    by = [*_KEYS, names.PATIENT, names.ENVIRONMENT]
    counts = rows.groupby(by, sort=False)[["n", "n_parent"]].sum().reset_index()
    order = counts[MOMENT].map({BASELINE: 0, AFTER: 1}).sort_values(kind="stable").index
    ordered = counts.loc[order]
    return ordered[ordered["n_parent"] >= min_parent_cells]


def _expected(counts: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Give the expectation of the chi-square test, where there are two environments and a cell."""
    groups = counts.groupby(keys, sort=False)
    total, of_parent = groups["n"].transform("sum"), groups["n_parent"].transform("sum")
    n_environments = groups[names.ENVIRONMENT].transform("nunique")
    expected = counts["n_parent"] * total / of_parent
    roe = counts["n"] / expected
    log2 = np.log2((counts["n"] + 0.5) / (expected + 0.5))
    table = counts.assign(observed=counts["n"].astype(int), expected=expected, roe=roe, log2_roe=log2)
    return table[(n_environments > 1) & (total > 0)].drop(columns=["n", "n_parent"])


def _pooled(counts: pd.DataFrame) -> pd.DataFrame:
    """Sum the patients with at least two environments, as if all cells were of one."""
    by = [*_KEYS, names.ENVIRONMENT]
    several = counts.groupby([*_KEYS, names.PATIENT], sort=False)[names.ENVIRONMENT].transform("nunique") > 1
    groups = counts[several].groupby(by, sort=False)
    summed = groups[["n", "n_parent"]].sum().assign(n_patients=groups[names.PATIENT].nunique())
    return _expected(summed.reset_index(), _KEYS).assign(patient=POOLED)


def _means(each: pd.DataFrame, min_patients: int) -> pd.DataFrame:
    """Average log2 Ro/e over the patients with enough expected cells."""
    by = [*_KEYS, names.ENVIRONMENT]
    enough = each["log2_roe"].where(each["expected"] >= MIN_EXPECTED)
    groups = each.assign(log2_roe=enough).groupby(by, sort=False)
    found = groups["log2_roe"].agg(["mean", "std", "count"])
    sums = groups[["observed", "expected"]].sum()
    n, df = found["count"].to_numpy(), found["count"].to_numpy(dtype=float) - 1
    tested = (n >= min_patients) & (found["std"].to_numpy() > 0)
    se = np.where(tested, found["std"] / np.sqrt(np.maximum(n, 1)), np.nan)
    half = t_quantile(0.975, np.where(tested, df, np.nan)) * se
    mean = found["mean"].to_numpy()
    return sums.assign(
        roe=2.0**mean,
        log2_roe=mean,
        ci_low=mean - half,
        ci_high=mean + half,
        n_patients=n,
        note=[_why(int(count), min_patients) for count in n],
        patient=MEAN,
    ).reset_index()


def _why(n_patients: int, min_patients: int) -> str:
    if n_patients >= min_patients:
        return ""
    if not n_patients:
        return f"no patient with {MIN_EXPECTED:g} expected cells"
    have = f"{n_patients} patient{'' if n_patients == 1 else 's'}"
    return f"{have} with {MIN_EXPECTED:g} expected cells, {min_patients} needed for an interval"
