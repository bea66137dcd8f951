"""What the sample sheet says of each sample, in the words that contrasts and claims use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names
from stietime.errors import InputError, raise_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TREATMENT: Final = "treatment"
CANCER: Final = "cancer"
SPECIES: Final = "species"
TISSUE: Final = "tissue"
SHEET_COLUMNS: Final = (
    names.PATIENT,
    names.ENVIRONMENT,
    names.TIMEPOINT,
    TREATMENT,
    CANCER,
    SPECIES,
    TISSUE,
)

# contexts of the reviews' Tables 2 to 4, and what is not treated
RADIOTHERAPY: Final = "radiotherapy"
IMMUNOTHERAPY: Final = "immunotherapy"
COMBINED: Final = "chemo_targeted_combined"
UNTREATED: Final = "untreated"

TREATMENT_NAMES: Final = {
    "": UNTREATED,
    "none": UNTREATED,
    "naive": UNTREATED,
    "treatment-naive": UNTREATED,
    "rt": RADIOTHERAPY,
    "radiation": RADIOTHERAPY,
    "radiation therapy": RADIOTHERAPY,
    "sbrt": RADIOTHERAPY,
    "ldrt": RADIOTHERAPY,
    "ici": IMMUNOTHERAPY,
    "anti-pd-1": IMMUNOTHERAPY,
    "anti-pd1": IMMUNOTHERAPY,
    "anti-pd-l1": IMMUNOTHERAPY,
    "anti-ctla-4": IMMUNOTHERAPY,
    "chemotherapy": COMBINED,
    "targeted therapy": COMBINED,
    "chemoimmunotherapy": COMBINED,
    "chemoradiotherapy": COMBINED,
    "combined": COMBINED,
    "combination": COMBINED,
}
CANCER_NAMES: Final = {
    "non-small cell lung cancer": "NSCLC",
    "luad": "NSCLC",
    "lusc": "NSCLC",
    "lung adenocarcinoma": "NSCLC",
    "lung squamous cell carcinoma": "NSCLC",
    "hepatocellular carcinoma": "HCC",
    "nasopharyngeal carcinoma": "NPC",
    "nsclc": "NSCLC",
    "hcc": "HCC",
    "npc": "NPC",
}
DONOR: Final = "donor"


def sample_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Gather the sample sheet's columns, one row per sample.

    Parameters
    ----------
    cells
        One row per cell (or per sample) with `sample`, `patient`, `environment`, and those of
        `timepoint`, `treatment`, `cancer`, `species`, `tissue` that the sheet has.

    Returns
    -------
    One row per sample (the index, sorted) with the columns of `SHEET_COLUMNS`; what is missing is "".

    Raises
    ------
    InputError
        A sample has two values in one column, or has no patient or environment.
    """
    present = [column for column in SHEET_COLUMNS if column in cells.columns]
    rows = cells[[names.SAMPLE, *present]].astype(object)
    rows = rows.where(rows.notna(), "").astype(str).drop_duplicates()
    errors = [
        _error(f"the sample {sample} has different values in its sheet columns ({', '.join(present)})")
        for sample in rows.loc[rows[names.SAMPLE].duplicated(), names.SAMPLE].unique()
    ]
    table = rows.set_index(names.SAMPLE).sort_index().reindex(columns=list(SHEET_COLUMNS), fill_value="")
    for column in (names.PATIENT, names.ENVIRONMENT):
        errors += [
            _error(f"the sample {sample} has no {column}") for sample in table.index[table[column] == ""]
        ]
    raise_all(errors)
    return table


def _error(what: str) -> InputError:
    return InputError(what, "the sample sheet", "mend the row in the sample sheet and run again")


def _renamed(values: pd.Series, built_in: Mapping[str, str], given: Mapping[str, str]) -> pd.Series:
    """Replace known names, whatever their case; names that are not known stay as they are."""
    known = {**built_in, **{name.casefold(): meant for name, meant in given.items()}}
    return values.map(lambda value: known.get(value.strip().casefold(), value.strip()))


def name_cohort(
    samples: pd.DataFrame,
    *,
    cancer_names: Mapping[str, str],
    treatment_names: Mapping[str, str],
    donor_names: Sequence[str],
) -> pd.DataFrame:
    """Bring cancers and treatments to the reviews' names and tell donors from patients.

    A donor is a person whose cancer is one of `donor_names`; or whose cancer is empty, who gave blood
    only, in a cohort where others have a cancer named.

    Parameters
    ----------
    samples
        As `sample_table` gives it.
    cancer_names
        Names of the sheet, each with NSCLC, HCC, NPC or any other name to use.
    treatment_names
        Names of the sheet, each with radiotherapy, immunotherapy, chemo_targeted_combined or untreated.
    donor_names
        Values of the cancer column that mean a person without cancer.

    Returns
    -------
    The samples with `cancer` and `treatment` renamed and a boolean column `donor`.

    Raises
    ------
    InputError
        A patient has two cancers.
    """
    named = samples.copy()
    named[TREATMENT] = _renamed(named[TREATMENT], TREATMENT_NAMES, treatment_names)
    healthy = {name.casefold() for name in donor_names}
    named[CANCER] = _renamed(named[CANCER], CANCER_NAMES, cancer_names)
    named.loc[named[CANCER].str.casefold().isin(healthy), CANCER] = DONOR
    cancers = named[named[CANCER] != ""].groupby(names.PATIENT)[CANCER].unique()
    raise_all(
        [
            _error(f"the patient {patient} has {len(found)} cancers: {', '.join(found)}")
            for patient, found in cancers.items()
            if len(found) > 1
        ]
    )
    # a sample that leaves the cancer out has that of the patient's other samples
    named[CANCER] = named[names.PATIENT].map(cancers.str[0]).fillna("").astype(str)
    named[DONOR] = (named[CANCER] == DONOR) | _blood_only_without_cancer(named)
    named.loc[named[DONOR], CANCER] = ""
    return named


def _blood_only_without_cancer(samples: pd.DataFrame) -> pd.Series:
    others_named = ~samples[CANCER].isin(["", DONOR])
    if not others_named.any():
        return pd.Series(data=False, index=samples.index)
    blood_only = (samples[names.ENVIRONMENT] == names.STIE).groupby(samples[names.PATIENT]).transform("all")
    return (samples[CANCER] == "") & blood_only
