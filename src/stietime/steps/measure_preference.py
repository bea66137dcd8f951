"""Measure which environment each kind of cell prefers: observed over expected numbers of cells (Ro/e)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stietime import names, storage
from stietime.settings import Comparison
from stietime.steps.arguments import add_path, add_settings

if TYPE_CHECKING:
    import argparse

LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--composition", "composition.tsv, as the step `compare` writes it")
    add_settings(parser, Comparison)
    add_path(parser, "--output", "table of observed over expected numbers of cells to write (TSV)")


def run(arguments: argparse.Namespace) -> None:
    """Compare the cells of each kind with what chance would give, within patients and over them."""
    from stietime.cohort.composition.tissue_preference import MEAN, tissue_preference

    settings: Comparison = arguments.settings
    columns = ["sample", "entity", "level", "n", "parent", "n_parent", "note", "donor", names.PATIENT]
    composition = storage.read_table(arguments.composition, columns)
    table = tissue_preference(
        composition,
        before=settings.before,
        after=settings.after,
        min_parent_cells=settings.min_parent_cells,
        min_patients=settings.min_pairs,
    )
    storage.write_table(table, arguments.output)
    means = table[table["patient"] == MEAN]
    measured = int(means["ci_low"].notna().sum())
    LOG.info("%d of %d kinds of cells and environments have an interval over patients", measured, len(means))
