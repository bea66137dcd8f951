"""The results of one run as a report sees them: tables by name, read when they are asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from stietime import names
from stietime.errors import InputError
from stietime.report.blocks import Link
from stietime.report.jobs import JOBS
from stietime.storage import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stietime.settings import Settings

SHEET_COLUMNS = (
    *(names.SAMPLE, names.PATIENT, names.ENVIRONMENT, names.TIMEPOINT, "tissue", "batch", "chemistry"),
    *("species", "cancer", "treatment", "response"),
)


class NotPartError(Exception):
    """The cohort does not have what a section shows, by design: no fault."""


@dataclass(frozen=True)
class Results:
    """The results folder of a run and the page that is made from it.

    Parameters
    ----------
    folder
        The results folder.
    page
        The file of the page; links are relative to its folder.
    settings
        The settings of the run.
    samples
        The sample sheet, one row per sample or section, with `sample` and `modality` at least.
    name
        The sample or section that the page is about; empty for the cohort.
    own_log
        The log of the step that makes the page.
    """

    folder: Path
    page: Path
    settings: Settings
    samples: pd.DataFrame
    name: str = ""
    own_log: str = "the log of the report"
    _read: dict[tuple[str, ...], pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_simulated(self) -> bool:
        """Whether the data were made by `stietime simulate`."""
        return self.settings.simulation is not None

    def rows(self, modality: str) -> pd.DataFrame:
        """Return the rows of the sample sheet of one modality: cells or section."""
        return self.samples[self.samples["modality"] == modality]

    @property
    def row(self) -> dict[str, Any]:
        """Row of the sample sheet that the page is about."""
        found = self.samples[self.samples[names.SAMPLE] == self.name]
        return dict(found.iloc[0]) if len(found) else {names.SAMPLE: self.name}

    def need(self, modality: str) -> None:
        """Leave the section out when the cohort has no sample of a modality, by design.

        Raises
        ------
        NotPartError
            There is no such sample.
        """
        if self.rows(modality).empty:
            what = "samples of dissociated cells" if modality == names.CELLS else "tissue sections"
            message = f"The sample sheet of this run lists no {what}."
            raise NotPartError(message)

    def path(self, output: str, name: str = "") -> Path:
        """Return the path of an output, by its name in `names.OUTPUT_PATHS`.

        Parameters
        ----------
        output
            Name of the output.
        name
            The sample or section, where there is one output for each; the page's own when left out.
        """
        who = name or self.name
        return self.folder / names.OUTPUT_PATHS[output].format(sample=who, section=who)

    def has(self, output: str, name: str = "") -> bool:
        """Whether an output is there."""
        return self.path(output, name).is_file()

    def table(self, output: str, columns: Sequence[str] = (), *, name: str = "") -> pd.DataFrame:
        """Read a table once; of a parquet table only the columns that are named.

        Parameters
        ----------
        output
            Name of the output.
        columns
            Columns that must be there; all are read when none is named.
        name
            The sample or section, as for `path`.

        Raises
        ------
        InputError
            The table is missing, or lacks a column.
        """
        path = self.path(output, name)
        key = (str(path), *columns)
        if key not in self._read:
            self._read[key] = _read_columns(path, columns)
        return self._read[key].copy()

    def link(self, output: str, name: str = "") -> Link:
        """Link to an output from the page, by its path under the results folder."""
        path = self.path(output, name)
        return Link(str(path.relative_to(self.folder)), os.path.relpath(path, self.page.parent))

    def log_hint(self, where: str) -> str:
        """Say which log tells why an output is missing or wrong."""
        for output, job in JOBS.items():
            pattern = names.OUTPUT_PATHS[output]
            before, _, after = pattern.partition("{")
            ending = after.partition("}")[2]
            relative = str(where).removeprefix(f"{self.folder}/")
            if (after and relative.startswith(before) and relative.endswith(ending)) or relative == pattern:
                who = relative[len(before) : len(relative) - len(ending)] if after else ""
                return f"See the log {self.folder}/logs/{job.format(sample=who, section=who)}.log."
        return f"See {self.own_log}."


def _read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    if path.suffix != ".parquet" or not columns or not path.is_file():
        return read_table(path, columns)
    import pyarrow.parquet as pq

    present = pq.read_schema(path).names
    missing = [column for column in columns if column not in present]
    if missing:
        what = f"the table lacks the columns {', '.join(missing)}"
        raise InputError(what, path, "delete the file and run again, so that it is made anew")
    return pd.read_parquet(path, columns=list(columns))


def ingest_facts(path: Path) -> Mapping[str, Any]:
    """Read what was noted when a sample was read in, without loading its counts.

    Parameters
    ----------
    path
        A `counts.h5ad`.

    Returns
    -------
    The facts of `uns["ingest"]`, and at least `n_cells` and `n_genes`.

    Raises
    ------
    InputError
        The file is missing.
    """
    if not path.is_file():
        msg = "the counts do not exist"
        raise InputError(msg, path, "run the step that reads this sample in")
    import h5py

    with h5py.File(path, "r") as file:
        facts = {
            key: _plain(value[()])
            for key, value in file.get("uns/ingest", {}).items()
            if hasattr(value, "dtype")
        }
        matrix = file["X"]
        shape = matrix.attrs["shape"] if isinstance(matrix, h5py.Group) else matrix.shape  # sparse or dense
        return {"n_cells": int(shape[0]), "n_genes": int(shape[1])} | facts


def _plain(value: Any) -> Any:  # noqa: ANN401 - a scalar of an HDF5 file
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value.item() if hasattr(value, "item") and getattr(value, "size", 2) == 1 else str(value)


def samples_found(folder: Path) -> pd.DataFrame:
    """List the samples and sections that have results, for a run whose sample sheet is gone.

    Parameters
    ----------
    folder
        The results folder.

    Returns
    -------
    One row per sample: sample, modality, and the sheet's columns as far as the cells' table tells them.
    """
    found = [
        {names.SAMPLE: path.name, "modality": modality}
        for modality, part in ((names.CELLS, "cells"), (names.SECTION, "sections"))
        for path in sorted((folder / part).glob("*"))
        if path.is_dir()
    ]
    frame = pd.DataFrame(found, columns=[names.SAMPLE, "modality"])
    # an excluded sample has no cell in the table of cells, and a row in that of the samples
    outputs = ("cells", "sections", "samples")
    told = [_sheet_columns(folder / names.OUTPUT_PATHS[output]) for output in outputs]
    known = pd.concat(told).drop_duplicates(names.SAMPLE)
    return frame.merge(known, on=names.SAMPLE, how="left")


def _sheet_columns(path: Path) -> pd.DataFrame:
    """Read what a table of cells or sections repeats of the sample sheet, one row per sample."""
    if not path.is_file():
        return pd.DataFrame(columns=list(SHEET_COLUMNS))
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pd.read_parquet(path, columns=[c for c in SHEET_COLUMNS if c in pq.read_schema(path).names])
    else:
        table = read_table(path).rename(columns={"section": names.SAMPLE})
    return table.reindex(columns=list(SHEET_COLUMNS)).drop_duplicates(names.SAMPLE)
