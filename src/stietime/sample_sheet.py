"""The sample sheet: one row per sample, read and checked so that all bad rows are told at once."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stietime import names
from stietime.errors import InputError, raise_all
from stietime.radiotherapy_fields import (
    RadiotherapyFields,
    in_standard_words,
    lesion_errors,
    radiotherapy_errors,
)
from stietime.sample import Sample
from stietime.settings import expand_path
from stietime.spot_fields import SPOT_TABLE, SpotFields, length_errors

if TYPE_CHECKING:
    from pathlib import Path

FORMATS: Final = {
    "h5ad": (names.CELLS, names.SECTION),
    "10x_h5": (names.CELLS,),
    "10x_mtx": (names.CELLS,),
    "cell_table": (names.SECTION,),
    SPOT_TABLE: (names.SECTION,),
}
"""Formats of input files, each with the modalities it can hold."""

REQUIRED: Final = ("sample", "patient", "environment", "modality", "format", "path")
NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VARIABLE: Final = re.compile(r"\$(?:\w+|\{[^}]*\})")
TAKEN_NAME: Final = "index"  # the cohort report stands beside the samples' reports
TAKEN_COLUMNS: Final = re.compile(
    r"cell|keep|reason|cluster|lineage(_confidence)?|cell_type.*|given_cell_type|runner_up|evidence|extra|n_genes|n_counts"
    rf"|pct_.*|doublet_score|(source|score|leiden|evidence)_.*|umap_\d+|is_(doublet|{'|'.join(names.CALLED_STATES)})"
)


_LAST: Final = (*RadiotherapyFields.model_fields, *SpotFields.model_fields)
_OWN: Final = (name for name in Sample.model_fields if name not in (*_LAST, "extra"))
COLUMNS: Final = (*_OWN, *_LAST)


@dataclass(frozen=True)
class _Row:
    """A row of the sheet with its place in the file, counted from 1 with the header."""

    number: int
    values: dict[str, str]
    sheet: Path

    def where(self, column: str = "") -> str:
        """Name the sheet, the row and, where it applies, the column."""
        return f"{self.sheet}, row {self.number}" + (f", column {column}" if column else "")


def read_sample_sheet(
    path: Path, *, check_paths: bool = True, made_in: Path | None = None
) -> tuple[Sample, ...]:
    """Read and check a sample sheet.

    Parameters
    ----------
    path
        A table with a header, tab-separated, or comma-separated when its name ends in `.csv`.
    check_paths
        Whether the files of the samples must exist already.
    made_in
        A folder whose files the run itself makes: those need not exist yet.

    Returns
    -------
    The samples in the order of the sheet.

    Raises
    ------
    InputError
        Missing columns, bad values, duplicate names, files that do not exist: all at once, each with row,
        column, value and what is allowed.
    """
    rows = _read_rows(path)
    first: dict[str, _Row] = {}  # capitals do not tell files apart everywhere
    for row in reversed(rows):
        first[row.values["sample"].casefold()] = row
    found = [_row_errors(row, first) + _path_errors(row, made_in, exists=check_paths) for row in rows]
    found.append(lesion_errors([row.values for row in rows], [row.where for row in rows]))
    raise_all([error for errors in found for error in errors])
    return tuple(_sample(row.values) for row in rows)


def row_numbers(path: Path) -> dict[str, int]:
    """Give the row of each sample in a sheet that has been checked; the header is row 1."""
    return {row.values["sample"]: row.number for row in _read_rows(path)}


def _sample(values: dict[str, str]) -> Sample:
    known: dict[str, Any] = {key: value for key, value in values.items() if key in COLUMNS}
    for column in ("batch", "species"):
        if not known.get(column):
            known.pop(column, None)  # an empty cell means the default
    return Sample(**known, extra={key: value for key, value in values.items() if key not in COLUMNS})


def _read_rows(path: Path) -> list[_Row]:
    """Read the lines of the sheet under its header; the shape must be right before values are looked at."""
    if not path.is_file():
        what, fix = "the sample sheet does not exist", "check the option `samples` of the configuration"
        raise InputError(what, path, fix)
    delimiter = "," if path.suffix == ".csv" else "\t"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        what, fix = "the sample sheet is not a text file in UTF-8", "save it as tab-separated text in UTF-8"
        raise InputError(what, path, fix) from None
    reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader]
    except csv.Error as error:
        what = f"the line cannot be read: {error}"
        raise InputError(what, f"{path}, row {reader.line_num}", "close the quotation mark") from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if lines:
        _check_header(lines[0][1], delimiter, path)
    if len(lines) < 2:
        what = "the sample sheet has a header but no samples" if lines else "the sample sheet is empty"
        fix = f"write a header with {', '.join(REQUIRED)} and one row per sample under it"
        raise InputError(what, path, fix)
    header = lines[0][1]
    raise_all([error for number, cells in lines[1:] for error in _width_errors(number, cells, header, path)])
    values = [in_standard_words(dict(zip(header, cells, strict=True))) for _, cells in lines[1:]]
    return [_Row(number, row, path) for (number, _), row in zip(lines[1:], values, strict=True)]


def _width_errors(number: int, cells: list[str], header: list[str], path: Path) -> list[InputError]:
    if len(cells) == len(header):
        return []
    what = f"the row has {len(cells)} cells, the header has {len(header)}: {' | '.join(cells)}"
    return [InputError(what, f"{path}, row {number}", "give every column a cell; it may be empty")]


def _check_header(header: list[str], delimiter: str, path: Path) -> None:
    where = f"{path}, row 1"
    missing = [column for column in REQUIRED if column not in header]
    other = next((mark for mark in "\t,; " if mark != delimiter and mark in " ".join(header)), "")
    if len(missing) == len(REQUIRED) and other:
        marks = {"\t": "tabs", ",": "commas", ";": "semicolons", " ": "spaces"}
        what = (
            f"the columns are separated by {marks[other]}, where {marks[delimiter]} are needed: {header[0]}"
        )
        fix = "save the sheet as tab-separated text (.tsv), or comma-separated with a name ending in .csv"
        raise InputError(what, where, fix)
    errors = []
    for column in missing:
        what = f"the column {column} is missing; found {', '.join(header)}"
        errors.append(InputError(what, where, f"add the column; {', '.join(REQUIRED)} are required"))
    for column in sorted({column for column in header if header.count(column) > 1}):
        what = f"the column {column or '(without a name)'} stands {header.count(column)} times"
        errors.append(InputError(what, where, "give every column its own name"))
    for column in header:
        if column not in COLUMNS and (not NAME_PATTERN.fullmatch(column) or TAKEN_COLUMNS.fullmatch(column)):
            what = f"{column!r} cannot be the name of a column"
            fix = "use letters, digits, ., _ and -, and no name of a result such as cluster or cell_type"
            errors.append(InputError(what, where, fix))
    raise_all(errors)


def _row_errors(row: _Row, first: dict[str, _Row]) -> list[InputError]:
    """List what is wrong with the values of one row."""
    allowed = {"environment": names.ENVIRONMENTS, "modality": names.MODALITIES, "format": tuple(FORMATS)}
    allowed |= {"species": ("human", "mouse", ""), "resolution": ("cell", "spot", "")}
    errors = []
    for column, value in row.values.items():
        fix = ""
        if column in REQUIRED and not value:
            fix = "fill the cell" + (f": {', '.join(allowed[column])}" if column in allowed else "")
        elif column in allowed and value not in allowed[column]:
            fix = f"use one of {', '.join(filter(None, allowed[column]))}"
        if fix:
            what = f"{column} is {value!r}" if value else f"{column} is empty"
            errors.append(InputError(what, row.where(column), fix))
    errors += length_errors(row.values, row.where) + radiotherapy_errors(row.values, row.where)
    return [*errors, *_name_errors(row, first), *_combination_errors(row)]


def _name_errors(row: _Row, first: dict[str, _Row]) -> list[InputError]:
    name = row.values["sample"]
    before = first[name.casefold()]
    if name and before is not row:
        what = f"the sample {name} already stands in row {before.number}"
        return [InputError(what, row.where("sample"), "give every sample its own name")]
    if not name or (NAME_PATTERN.fullmatch(name) and name != TAKEN_NAME):
        return []
    what = f"{name!r} cannot name files and cells"
    fix = f"use letters, digits, ., _ and -, beginning with a letter or digit, and not {TAKEN_NAME!r}"
    return [InputError(what, row.where("sample"), fix)]


def _combination_errors(row: _Row) -> list[InputError]:
    file_format, modality = row.values["format"], row.values["modality"]
    for column, what in (("raw_path", "no empty droplets"), ("receptors", "no receptors of single cells")):
        if modality == names.SECTION and row.values.get(column):
            fix = f"leave {column} empty in the rows of sections"
            return [InputError(f"a section has {what}", row.where(column), fix)]
    holds = FORMATS.get(file_format, ())
    if not holds or modality not in names.MODALITIES or modality in holds:
        return []
    fitting = ", ".join(name for name, modalities in FORMATS.items() if modality in modalities)
    what = f"the format {file_format} holds {' or '.join(holds)}, not {modality}"
    return [InputError(what, row.where("format"), f"for modality {modality} use one of {fitting}")]


def _path_errors(row: _Row, made_in: Path | None, *, exists: bool) -> list[InputError]:
    errors = []
    for column in ("path", "raw_path", "receptors"):
        path = row.values.get(column, "")
        expanded = expand_path(path)
        undefined = VARIABLE.findall(str(expanded))
        will_be_made = made_in is not None and made_in.resolve() in expanded.resolve().parents
        if undefined:
            what = f"the variable {undefined[0]} of the path {path} is not defined"
            fix = f"define it, such as `export {undefined[0].strip('${}')}=/folder`, or write the path out"
            errors.append(InputError(what, row.where(column), fix))
        elif path and exists and not will_be_made and not expanded.exists():
            meaning = f" (it means {expanded})" if str(expanded) != path else ""
            what = f"the path {path} does not exist{meaning}"
            fix = "mend the path; it begins in the folder the run is started in"
            errors.append(InputError(what, row.where(column), fix))
    return errors
