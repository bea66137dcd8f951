"""What several runs must not share before they are combined, and in what they differ."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from stietime import names
from stietime.commands.cohort_folders import SAME_CELLS
from stietime.errors import InputError, raise_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stietime.commands.cohort_folders import CohortFolder

FEWEST_TO_TELL_APART: Final = 20  # cells: medians of fewer may be equal by chance
MOST_NAMED: Final = 5
# options that no number of a contrast or claim depends on
BESIDE_THE_NUMBERS: Final = (
    "samples",
    "results_dir",
    "report",
    "compute",
    "simulation",
    "spatial",
    "structures",
)


def check_apart(cohorts: Sequence[CohortFolder]) -> list[str]:
    """Look for patients, files and cells that two cohorts share, and for what else should give pause.

    The same cells twice would count as agreement of two cohorts, and no interval would show it: an error.
    Equal names of patients alone are no proof, since p1 or patient 1 stand in many studies: a warning.

    Parameters
    ----------
    cohorts
        As `read_folders` gives them.

    Returns
    -------
    Warnings, one sentence each.

    Raises
    ------
    InputError
        Two cohorts hold the same cells, or patients of the same name from the same file; or the cohorts are
        of different species.
    """
    errors, warnings = [], []
    for one, other in combinations(cohorts, 2):
        pair = f"{one.cohort.name} and {other.cohort.name}"
        patients = sorted(set(one.samples[names.PATIENT]) & set(other.samples[names.PATIENT]))
        files = sorted(_checksums(one).keys() & _checksums(other).keys())
        cells = _same_cells(one.samples, other.samples)
        if cells or (files and patients):
            told = (
                f"samples with the same cells: {_some(cells)}"
                if cells
                else f"one file and the patients {_some(patients)}"
            )
            what = f"{pair} are not independent; they share {told}"
            fix = "combine only one of them, or run one again without the patients of the other"
            errors.append(InputError(what, f"{one.folder}, {other.folder}", fix))
        elif patients:
            warnings.append(
                f"{pair} use the same names for {len(patients)} patients ({_some(patients)}). No file and no "
                "sample is the same, so they are taken for different persons; if they are not, the cohorts "
                "must not be combined."
            )
        elif files:
            held = [_checksums(one)[checksum] for checksum in files]
            warnings.append(f"{pair} read the same input ({_some(held)}), but no patient of the same name.")
    found = {value.casefold() for one in cohorts for value in one.samples["species"].astype(str)} - {""}
    if len(found) > 1:
        what = f"the cohorts are of different species: {', '.join(sorted(found))}"
        errors.append(InputError(what, "RESULTS", "combine cohorts of one species"))
    raise_all(errors)
    return [*warnings, *_other_versions(cohorts)]


def _some(values: Sequence[str]) -> str:
    rest = len(values) - MOST_NAMED
    return ", ".join(values[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _checksums(one: CohortFolder) -> dict[str, str]:
    return {entry["sha256"]: str(entry["path"]) for entry in one.record.get("inputs") or []}


def _same_cells(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    """Find samples whose number of cells and medians are all equal."""
    told = [
        rows[(rows["n_measured"] >= FEWEST_TO_TELL_APART) & (rows["median_pct_mito"] > 0)]
        for rows in (one, other)
    ]
    both = told[0].merge(told[1], on=SAME_CELLS)
    return sorted(both[f"{names.SAMPLE}_x"].astype(str))


def _other_versions(cohorts: Sequence[CohortFolder]) -> list[str]:
    warnings = []
    for key, told in (("stietime", "versions of stietime"), ("git_commit", "commits of stietime")):
        values = {one.cohort.name: str(one.record.get(key) or "unknown")[:12] for one in cohorts}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{name} {value}" for name, value in values.items())
            warnings.append(
                f"The cohorts were run with different {told} ({listed}): what differs may be the method."
            )
    return warnings


def differing_options(cohorts: Sequence[CohortFolder]) -> pd.DataFrame:
    """List the options that are not the same in all runs and that a contrast or claim may depend on.

    Parameters
    ----------
    cohorts
        As `read_folders` gives them.

    Returns
    -------
    One row per option, one column per cohort.
    """
    options = {one.cohort.name: one.options for one in cohorts}
    every = dict.fromkeys(name for of in options.values() for name in of)
    rows = [
        {
            "option": name,
            **{cohort: _written(of.get(name, "not in this version")) for cohort, of in options.items()},
        }
        for name in every
        if name.partition(".")[0] not in BESIDE_THE_NUMBERS
    ]
    return pd.DataFrame(
        [row for row in rows if len(set(list(row.values())[1:])) > 1], columns=["option", *options]
    )


def _written(value: Any) -> str:  # noqa: ANN401 - any option
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else str(value)
