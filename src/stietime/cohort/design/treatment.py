"""What the sample sheet says of response and radiotherapy, in the words that contrasts are made of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names

if TYPE_CHECKING:
    from collections.abc import Sequence

RESPONSE: Final = "response"
LESION: Final = "lesion"
FIELD: Final = "rt_field"
MODALITY: Final = "rt_modality"
DOSE: Final = "dose_gy_per_fraction"
SHEET_COLUMNS: Final = (RESPONSE, LESION, FIELD, MODALITY, DOSE)

# columns that `name_treatment` adds; those of the sheet stay as they are
RESPONSE_GROUP: Final = "response_group"
LESION_NAME: Final = "lesion_name"
LESION_FIELD: Final = "lesion_field"
MODALITY_GIVEN: Final = "modality_given"
DOSE_CLASS: Final = "dose_class"
DERIVED: Final = (RESPONSE_GROUP, LESION_NAME, LESION_FIELD, MODALITY_GIVEN, DOSE_CLASS)

RESPONDER: Final = "responder"
NON_RESPONDER: Final = "non_responder"
IN_FIELD: Final = "in"
OUT_OF_FIELD: Final = "out"


def name_treatment(
    samples: pd.DataFrame,
    *,
    responders: Sequence[str],
    non_responders: Sequence[str],
    dose_limits: Sequence[float],
) -> pd.DataFrame:
    """Tell responders from others, fields of lesions, modalities and classes of dose.

    A sample that leaves its response, modality or dose out has that of its patient's other samples where
    these agree; one that leaves its field out has that of the other samples of its lesion.

    Parameters
    ----------
    samples
        Named samples as index, with those of `SHEET_COLUMNS` that the sheet has, as text.
    responders, non_responders
        Words for either group; capitals, spaces, dashes and underscores do not matter. A response in neither
        list belongs to no group.
    dose_limits
        Gy per fraction at which a class of dose begins, ascending.

    Returns
    -------
    The samples with the columns of `DERIVED`, each empty where nothing is told: `response_group` (responder,
    non_responder), `lesion_name`, `lesion_field` (in, out), `modality_given`, and `dose_class` (such as
    `below_1.8`, `1.8_to_2.4`, `from_5`).
    """
    sheet = samples.reindex(columns=list(SHEET_COLUMNS)).astype(object)
    sheet = sheet.where(sheet.notna(), "").astype(str).apply(lambda column: column.str.strip())
    words = {_plain(word): NON_RESPONDER for word in non_responders}
    words |= {_plain(word): RESPONDER for word in responders}
    groups = sheet[RESPONSE].map(lambda word: words.get(_plain(word), "")).astype(str)
    classes = sheet[DOSE].map(lambda dose: dose_class(dose, dose_limits)).astype(str)
    patients, lesions = samples[names.PATIENT], sheet[LESION].str.casefold()
    of_lesion = _filled(sheet[FIELD], sheet[FIELD], patients + "\t" + lesions)
    return samples.assign(
        **{
            RESPONSE_GROUP: _filled(groups, sheet[RESPONSE], patients),
            LESION_NAME: lesions,
            LESION_FIELD: sheet[FIELD].mask(lesions != "", of_lesion).str.casefold(),
            MODALITY_GIVEN: _filled(sheet[MODALITY], sheet[MODALITY], patients),
            DOSE_CLASS: _filled(classes, sheet[DOSE], patients),
        }
    )


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", "", word).casefold()


def _filled(values: pd.Series, told: pd.Series, groups: pd.Series) -> pd.Series:
    """Fill the samples that tell nothing with the one value of their group."""
    known = values[values != ""]
    each = known.groupby(groups.loc[known.index]).agg(["nunique", "first"])
    agreed = each.loc[each["nunique"] == 1, "first"]
    return values.mask(told == "", groups.map(agreed).fillna("").astype(str))


def dose_class(dose: str, limits: Sequence[float]) -> str:
    """Name the class of a dose per fraction; empty for what is no number.

    Parameters
    ----------
    dose
        Gy, as text.
    limits
        Gy at which a class begins, ascending.
    """
    number = pd.to_numeric(dose, errors="coerce")
    if dose == "" or pd.isna(number) or not limits:
        return ""
    below = [limit for limit in limits if limit <= number]
    above = [limit for limit in limits if limit > number]
    if not below:
        return f"below_{above[0]:g}"
    return f"{below[-1]:g}_to_{above[0]:g}" if above else f"from_{below[-1]:g}"
