"""`stietime report`: make the reports of a finished run anew from its tables; nothing is recomputed."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stietime import names
from stietime.configuration import read_settings
from stietime.errors import InputError
from stietime.steps import report_cohort, report_sample, report_section

if TYPE_CHECKING:
    from stietime.settings import Settings

DEFAULT_CONFIG: Final = Path("config/config.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--configfile", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="configuration of the run"
    )
    parser.add_argument("--cohort-only", action="store_true", help="make index.html only")


def run(arguments: argparse.Namespace) -> int:
    """Make every report of a run anew.

    Returns
    -------
    0 done.

    Raises
    ------
    InputError
        The configuration cannot be used, or its results folder holds nothing.
    """
    settings = read_settings(arguments.configfile)
    folder = Path(settings.results_dir)
    if not folder.is_dir():
        msg = "there are no results of this configuration"
        raise InputError(msg, folder, f"run `stietime run --configfile {arguments.configfile}` first")
    outputs = names.Outputs(str(folder))
    if not arguments.cohort_only:
        _each_sample(settings, folder, outputs)
    cohort = Path(outputs.cohort_report)
    report_cohort.run(argparse.Namespace(results=folder, settings=settings, output=cohort))
    print(f"report: {cohort.resolve()}")  # noqa: T201 - the command's answer
    return 0


def _each_sample(settings: Settings, folder: Path, outputs: names.Outputs) -> None:
    samples = report_cohort.known_samples(settings, folder)
    common = {"results": folder, "settings": settings}
    for name, modality in zip(samples[names.SAMPLE], samples["modality"], strict=True):
        if modality == names.CELLS:
            output = Path(outputs.sample_report.format(sample=name))
            report_sample.run(argparse.Namespace(**common, sample=name, output=output))
        else:
            output = Path(outputs.section_report.format(section=name))
            report_section.run(argparse.Namespace(**common, section=name, output=output))
    logging.getLogger(__name__).info("%d reports of samples and sections", len(samples))
