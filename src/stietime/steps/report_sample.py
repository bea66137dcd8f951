"""Write the report of one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime.steps.report_cohort import add_report_arguments, open_results, write_page

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_report_arguments(parser)
    parser.add_argument("--sample", required=True, metavar="NAME", help="name of the sample")


def run(arguments: argparse.Namespace) -> None:
    """Write the report of the sample."""
    from stietime.report.pages import sample_page

    results = open_results(arguments, f"report_sample/{arguments.sample}", arguments.sample)
    write_page(sample_page(results), arguments.output)
