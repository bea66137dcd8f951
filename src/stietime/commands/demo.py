"""`stietime demo`: the whole chain on the embedded, simulated cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime.commands import run as run_command

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    run_command.add_run_arguments(parser)
    parser.set_defaults(configfile=run_command.workflow_root() / run_command.DEFAULT_CONFIG)


def run(arguments: argparse.Namespace) -> int:
    """Run the chain on the simulated cohort of `config/config.yaml`."""
    return run_command.run(arguments)
