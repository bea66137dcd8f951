"""Columns of the sample sheet that say how a lesion was irradiated, and when the sample was taken."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict

from stietime import names
from stietime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stietime.sample import Sample

FIELDS: Final = ("in", "out")
MODALITIES: Final = ("conventional", "SBRT", "LDRT", "SFRT", "FLASH", "PULSAR")
SEQUENCES: Final = ("rt_first", "ici_first", "concurrent")
WORDS: Final = {"rt_field": FIELDS, "rt_modality": MODALITIES, "rt_ici_sequence": SEQUENCES}

_NUMBER: Final = re.compile(r"(\d+(\.\d*)?|\.\d+)")
_WHOLE: Final = re.compile(r"\d+(\.0*)?")
_RADIOTHERAPY: Final = re.compile(r"radi(o|ation)|\brt\b|sbrt|sabr|ldrt|sfrt|flash|pulsar", re.IGNORECASE)
_BEFORE: Final = "before"
_AFTER: Final = "after"
MOST_NAMED: Final = 5  # samples in one sentence

Row = dict[str, str]


class RadiotherapyFields(BaseModel):
    """What a row of the sample sheet says of radiotherapy; an empty cell is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    lesion: str = ""
    """Name of the lesion within its patient, such as `liver_1`."""
    rt_field: Literal["", "in", "out"] = ""
    """Whether the lesion is (or will be) irradiated: in the field, or out of it."""
    rt_modality: Literal["", "conventional", "SBRT", "LDRT", "SFRT", "FLASH", "PULSAR"] = ""
    """Modality of the patient's radiotherapy."""
    dose_gy_per_fraction: str = ""
    """Dose of one fraction, Gy."""
    fractions: str = ""
    """Number of fractions."""
    days_from_rt: str = ""
    """Days from the first fraction to the sample; negative before it."""
    rt_ici_sequence: Literal["", "rt_first", "ici_first", "concurrent"] = ""
    """Which came first, radiotherapy (RT) or the immune checkpoint inhibitor (ICI)."""

    def radiotherapy(self) -> Row:
        """Give the columns that the row fills, as text."""
        return {key: str(getattr(self, key)) for key in RadiotherapyFields.model_fields if getattr(self, key)}


def names_radiotherapy(treatment: str) -> bool:
    """Whether the words for a treatment speak of radiotherapy.

    Parameters
    ----------
    treatment
        As the sample sheet has it, such as `chemoradiotherapy` or `SBRT + anti-PD-1`.
    """
    return bool(_RADIOTHERAPY.search(treatment))


def in_standard_words(values: Mapping[str, str]) -> Row:
    """Write fields, modalities and sequences as the options have them: `sbrt` becomes `SBRT`.

    Parameters
    ----------
    values
        A row of the sheet by column.
    """
    known = {column: {word.casefold(): word for word in words} for column, words in WORDS.items()}
    found = dict(values)
    for column, words in known.items():
        if column in found:
            found[column] = words.get(_plain(found[column]), found[column])
    return found


def _plain(word: str) -> str:
    return re.sub(r"[\s-]+", "_", word.strip()).casefold()


def radiotherapy_errors(row: Mapping[str, str], where: Callable[[str], str]) -> list[InputError]:
    """List what is wrong with the columns of radiotherapy in one row.

    Parameters
    ----------
    row
        The values of the row by column, in standard words.
    where
        Names the place of a column.
    """
    errors = [
        InputError(f"{column} is {row[column]!r}", where(column), f"use one of {', '.join(words)}")
        for column, words in WORDS.items()
        if row.get(column, "") not in ("", *words)
    ]
    checks = (
        ("dose_gy_per_fraction", _is_positive, "give Gy as a number above 0, or leave the cell empty"),
        ("fractions", _is_whole, "give a whole number above 0, or leave the cell empty"),
        ("days_from_rt", is_number, "give days as a number, negative before the first fraction, or nothing"),
    )
    for column, fits, fix in checks:
        value = row.get(column, "")
        if value and not fits(value):
            errors.append(InputError(f"{column} is {value!r}", where(column), fix))
    return [*errors, *_contradictions(row, where)]


def is_number(text: str) -> bool:
    """Whether a cell of the sheet is a number, with a sign or without."""
    return bool(_NUMBER.fullmatch(text.removeprefix("-").removeprefix("+")))


def _is_positive(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and float(text) > 0


def _is_whole(text: str) -> bool:
    return bool(_WHOLE.fullmatch(text)) and float(text) > 0


def _contradictions(row: Mapping[str, str], where: Callable[[str], str]) -> list[InputError]:
    """Find columns of a row that cannot both be true."""
    errors = []
    if row.get("environment") == names.STIE:
        fix = "leave the cell empty in the rows of blood, and fill it in those of the lesions"
        what = "blood lies in no field and in no lesion"
        errors += [
            InputError(f"{column} is {row[column]!r}, but {what}", where(column), fix)
            for column in ("lesion", "rt_field")
            if row.get(column)
        ]
    days, point = row.get("days_from_rt", ""), row.get("timepoint", "").casefold()
    treatment = row.get("treatment", "")
    # of another treatment, such as an inhibitor given first, a sample may be after it and before radiotherapy
    if is_number(days) and (not treatment or names_radiotherapy(treatment)):
        fix = "mend one of the two: days are counted from the first fraction, negative before it"
        wrong = (float(days) < 0 and point == _AFTER) or (float(days) > 0 and point == _BEFORE)
        if wrong:
            what = f"days_from_rt is {days}, but the time point is {row['timepoint']!r}"
            errors.append(InputError(what, where("days_from_rt"), fix))
    return errors


def lesion_errors(
    rows: Sequence[Mapping[str, str]], where: Sequence[Callable[[str], str]]
) -> list[InputError]:
    """Find lesions that lie in the field by one row and out of it by another.

    Parameters
    ----------
    rows
        The values of every row by column, in standard words.
    where
        For every row, what names the place of a column.
    """
    places = defaultdict(list)
    for row, place in zip(rows, where, strict=True):
        if row.get("lesion") and row.get("rt_field") in FIELDS:
            places[row["patient"], row["lesion"].casefold()].append((row["rt_field"], row["lesion"], place))
    errors = []
    for (patient, _), found in places.items():
        first = found[0][0]
        for field, lesion, place in found[1:]:
            if field != first:
                what = f"the lesion {lesion} of patient {patient} is {field}, in an earlier row {first}"
                fix = "a lesion is in or out of the field in all its samples, also those before treatment"
                errors.append(InputError(what, place("rt_field"), fix))
    return errors


def unlikely(samples: Iterable[Sample]) -> list[str]:
    """Say what may be a mistake but need not be: a field without radiotherapy in the column treatment.

    Parameters
    ----------
    samples
        The rows of the sample sheet.

    Returns
    -------
    Sentences; none where nothing is odd.
    """
    odd = [
        sample.sample
        for sample in samples
        if sample.rt_field and sample.treatment and not names_radiotherapy(sample.treatment)
    ]
    if not odd:
        return []
    rest = len(odd) - MOST_NAMED
    named = ", ".join(odd[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return [f"rt_field is given, but the treatment is not radiotherapy: {named}"]
