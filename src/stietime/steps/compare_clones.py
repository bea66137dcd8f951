"""Step `compare-clones`: follow clones between environments, types and time points, patients as the unit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from stietime import names, storage
from stietime.settings import Clones, Comparison
from stietime.steps.arguments import add_path, add_paths, add_settings

if TYPE_CHECKING:
    import argparse

    import pandas as pd

LOG = logging.getLogger(__name__)
NEEDED: Final = (names.CELL, names.SAMPLE, names.PATIENT, names.ENVIRONMENT, names.LINEAGE, names.CELL_TYPE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--cells", "cells.parquet, the table of all kept cells")
    add_paths(parser, "--receptors", "receptors.parquet of every sample")
    add_settings(parser, Clones)
    add_settings(parser, Comparison, "--comparison")
    text = "clonotypes.tsv, clone_contrasts.tsv, clones.parquet and receptor_counts.tsv to write"
    add_paths(parser, "--output", text)


def run(arguments: argparse.Namespace) -> None:
    """Put cells into clones, measure and test them, and write the four tables.

    Raises
    ------
    InputError
        A table is missing, or cells have no row among the receptors.
    """
    from stietime.cells.receptors import name_clones
    from stietime.cohort.clonotypes.contrasts import clone_contrasts
    from stietime.cohort.clonotypes.kinds import follow
    from stietime.cohort.clonotypes.rows import Times
    from stietime.cohort.clonotypes.table import clone_sizes, clonotype_table
    from stietime.cohort.clonotypes.tallies import count_receptors, patients_sampled

    settings: Clones = arguments.settings
    times = Times(arguments.comparison.before, arguments.comparison.after)
    cells = storage.read_table(arguments.cells, NEEDED)
    receptors = storage.stack_tables(arguments.receptors, ["cell", "clone", "alpha", "beta", "status"])
    kept = cells[[names.CELL]].merge(receptors, on=names.CELL, how="left")
    joined = storage.join_strictly(
        cells.set_index(names.CELL), kept.dropna(subset=["status"]), arguments.receptors[0].parent
    ).reset_index(names=names.CELL)
    named = name_clones(joined, single_chain=settings.single_chain)
    followed = follow(cells, named[[names.CELL, "clone", "status"]])
    table = clonotype_table(followed, patients_sampled(cells), min_cells=settings.min_cells, times=times)
    tested = clone_contrasts(table, min_pairs=arguments.comparison.min_pairs, times=times)
    counts = count_receptors(followed, receptors, named)
    outputs = dict(zip(("clonotypes", "contrasts", "clones", "counts"), arguments.output, strict=True))
    storage.write_table(table, outputs["clonotypes"])
    storage.write_table(tested, outputs["contrasts"])
    storage.write_table(clone_sizes(followed), outputs["clones"])
    storage.write_table(counts, outputs["counts"])
    _report(counts, table, tested)


def _report(counts: pd.DataFrame, table: pd.DataFrame, tested: pd.DataFrame) -> None:
    """Log how many cells have a clone, what is not testable, and what was tested."""
    LOG.info(
        "%d of %d kept cells are followed by their clone; %d samples without a receptor",
        *(counts["n_followed"].sum(), counts["n_cells"].sum(), (counts["n_receptors"] == 0).sum()),
    )
    LOG.info("%d of %d rows of clonotypes have a value", table["value"].notna().sum(), len(table))
    LOG.info("%d of %d rows of contrasts tested", tested["p"].notna().sum(), len(tested))
    shared = counts["n_receptors_in_other_patients"].sum()
    if shared:
        LOG.warning(
            "%d cells have a receptor that another patient has too: public receptors, a swap, or a mix-up of"
            " samples; clones are never joined between patients",
            shared,
        )
