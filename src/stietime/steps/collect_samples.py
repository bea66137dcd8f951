"""Step `collect-samples`: stack the verdicts on the samples, and compare samples of the same patient."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import pandas as pd

from stietime import names, storage
from stietime.cells.quality.sample_verdicts import SEXES, add_reason
from stietime.errors import InputError, raise_all
from stietime.settings import Quality
from stietime.steps.arguments import add_path, add_paths, add_settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

log = logging.getLogger(__name__)

SWAP: Final = "swap"
VERDICT: Final = "verdict"
SEX_EXPRESSED: Final = "sex_expressed"
NEEDED: Final = (names.SAMPLE, VERDICT, names.REASON)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_paths(parser, "--sample-quality", "sample_quality.tsv of every sample")
    add_settings(parser, Quality)
    add_path(parser, "--output", "verdicts on all samples (tsv)")


def run(arguments: argparse.Namespace) -> None:
    """Stack the samples' tables, and look for samples of one patient that express different sexes.

    Such a swap makes a sample `caution` at least, never `excluded`, whatever `on_swap` says: which cells are
    kept was decided for each sample by itself, so that no sample's result depends on another sample, and
    between two samples that disagree nothing tells which is the wrong one. `on_swap` acts in the step
    `assess-quality`, on the column `sex` of the sample sheet.

    Raises
    ------
    InputError
        A table is missing, lacks a column, holds an unknown verdict, or a sample stands twice.
    """
    settings: Quality = arguments.settings
    columns = (*NEEDED, names.PATIENT, SEX_EXPRESSED)
    table = pd.concat([_read(path, columns) for path in arguments.sample_quality], ignore_index=True)
    _check(table, "the tables given as --sample-quality")
    table = find_swaps(table)
    storage.write_table(table, arguments.output)
    _report(table)
    if (table[SWAP] != "").any() and settings.on_swap == "exclude":
        log.warning(
            "on_swap is exclude, which acts on the column sex of the sample sheet: fill it in, or take the"
            " wrong sample out of the sheet"
        )


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a table as text, so that names such as 01 and numbers stay as they were written."""
    storage.read_table(path, columns)
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def read_samples(path: Path) -> pd.DataFrame:
    """Read the verdicts on all samples.

    Parameters
    ----------
    path
        `samples.tsv`, as this step writes it.

    Returns
    -------
    The sample as index, every column as text, "" where nothing stands.

    Raises
    ------
    InputError
        The table is missing, lacks a column, holds an unknown verdict, or a sample stands twice.
    """
    table = _read(path, NEEDED)
    _check(table, path)
    return table.set_index(names.SAMPLE)


def _check(table: pd.DataFrame, where: object) -> None:
    fix = "delete the file and run again, so that it is made anew"
    twice = table.loc[table[names.SAMPLE].duplicated(), names.SAMPLE]
    errors = [InputError(f"the sample {sample} stands twice", where, fix) for sample in twice.unique()]
    unknown = table[~table[VERDICT].isin(names.SAMPLE_VERDICTS)]
    for sample, verdict in zip(unknown[names.SAMPLE], unknown[VERDICT], strict=True):
        what = f"the sample {sample} has the verdict {verdict!r}, not {', '.join(names.SAMPLE_VERDICTS)}"
        errors.append(InputError(what, where, fix))
    raise_all(errors)


def find_swaps(table: pd.DataFrame) -> pd.DataFrame:
    """Mark the samples of a patient that express different sexes, and update their verdicts.

    Parameters
    ----------
    table
        One row per sample: sample, patient, verdict, reason, sex_expressed. Samples whose sex is unclear
        take no part.

    Returns
    -------
    The table with the column `swap`: who expresses what, or "".
    """
    found = table.assign(**{SWAP: ""})
    told = table[table[SEX_EXPRESSED].isin(SEXES)]
    for patient, rows in told.groupby(names.PATIENT, sort=False):
        if rows[SEX_EXPRESSED].nunique() < 2:
            continue
        sides = rows.groupby(SEX_EXPRESSED)[names.SAMPLE].agg(", ".join)
        who = "; ".join(f"{sex} in {samples}" for sex, samples in sides.items())
        words = f"samples of patient {patient} express different sexes ({who}): swap suspected"
        found.loc[rows.index, SWAP] = words
        for row in rows.index:
            verdict, reason = (str(found.loc[row, column]) for column in (VERDICT, names.REASON))
            found.loc[row, [VERDICT, names.REASON]] = add_reason(verdict, reason, (names.CAUTION, words))
    return found


def _report(table: pd.DataFrame) -> None:
    counts = table[VERDICT].value_counts()
    log.info("%d samples: %s", len(table), ", ".join(f"{verdict} {n}" for verdict, n in counts.items()))
    for row in table[table[VERDICT] != names.USABLE].to_dict("records"):
        log.warning("%s: %s: %s", row[names.SAMPLE], row[VERDICT], row[names.REASON])
    if (table[VERDICT] == names.EXCLUDED).all():
        log.warning("every sample is excluded: nothing can be compared")
