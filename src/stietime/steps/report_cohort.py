"""Write the report of the cohort, or of one sample or section, from the tables of a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pandas as pd

from stietime import names, storage
from stietime.errors import InputError
from stietime.sample_sheet import read_sample_sheet
from stietime.settings import Settings, expand_path
from stietime.steps.arguments import add_path, add_settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from stietime.report.blocks import Section
    from stietime.report.results import Results

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_report_arguments(parser)


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every report needs: the results, the settings and the file to write."""
    add_path(parser, "--results", "folder of the results")
    add_settings(parser, Settings)
    add_path(parser, "--output", "HTML file to write")


def known_samples(settings: Settings, results: Path) -> pd.DataFrame:
    """List the samples of a run: those of its sample sheet, else those that have results.

    Parameters
    ----------
    settings
        Name the sample sheet.
    results
        The results folder. A sheet that shares no sample with it belongs to another run and is not used.

    Returns
    -------
    One row per sample or section, columns as in the sheet.
    """
    from stietime.report.results import samples_found

    found = samples_found(results)
    sheet = expand_path(settings.samples)
    if not sheet.is_file():
        return found
    try:
        samples = read_sample_sheet(sheet, check_paths=False)
    except InputError as error:
        # a finished run can be reported where its inputs are not, such as on another machine
        log.warning("the sample sheet is not used: %s: %s", error.where, error.what)
        return found
    listed = pd.DataFrame([{**row.model_dump(exclude={"extra"}), **row.extra} for row in samples])
    return listed if found.empty or listed[names.SAMPLE].isin(found[names.SAMPLE]).any() else found


def open_results(arguments: argparse.Namespace, job: str, name: str = "") -> Results:
    """Open the results of a run for one page.

    Parameters
    ----------
    arguments
        Of `add_report_arguments`.
    job
        The job that makes the page, for its log.
    name
        The sample or section of the page; empty for the cohort.
    """
    from stietime.report.results import Results

    return Results(
        folder=arguments.results,
        page=arguments.output,
        settings=arguments.settings,
        samples=known_samples(arguments.settings, arguments.results),
        name=name,
        own_log=names.Outputs(str(arguments.results)).log(job),
    )


def write_page(page: tuple[str, tuple[Section, ...]], output: Path) -> None:
    """Write a page and log its size and what failed in it."""
    html, sections = page
    storage.write_text(html, output)
    failed = [section.title for section in sections if section.failed]
    log.info("%s: %d sections, %.1f MB", output.name, len(sections), len(html) / 1e6)
    if failed:
        log.warning("%d sections could not be made: %s", len(failed), ", ".join(failed))


def run(arguments: argparse.Namespace) -> None:
    """Write the report of the cohort."""
    from stietime.report.pages import cohort_page

    write_page(cohort_page(open_results(arguments, "report_cohort")), arguments.output)
