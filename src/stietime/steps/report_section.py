"""Write the report of one tissue section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime.steps.report_cohort import add_report_arguments, open_results, write_page

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_report_arguments(parser)
    parser.add_argument("--section", required=True, metavar="NAME", help="name of the section")


def run(arguments: argparse.Namespace) -> None:
    """Write the report of the section."""
    from stietime.report.pages import section_page

    results = open_results(arguments, f"report_section/{arguments.section}", arguments.section)
    write_page(section_page(results), arguments.output)
