"""Compare fractions, signatures and genes between environments and time points, patients as the unit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from stietime import names, storage
from stietime.errors import InputError
from stietime.settings import Comparison
from stietime.steps.arguments import add_path, add_paths, add_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from stietime.cohort.expression import Pseudobulk
    from stietime.cohort.measures import Measure

LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--cells", "cells.parquet, the table of all kept cells")
    add_paths(parser, "--counts", "counts.h5ad of every sample")
    add_settings(parser, Comparison)
    add_path(parser, "--composition", "table of cells of each kind per sample to write (TSV)")
    add_path(parser, "--contrasts", "table of contrasts to write (TSV)")


def run(arguments: argparse.Namespace) -> None:
    """Count, pool by patient, test, and write both tables."""
    from stietime.cohort.composition import count_entities
    from stietime.cohort.contrasts import compare
    from stietime.cohort.designs import find_contrasts
    from stietime.cohort.measures import composition_measure
    from stietime.cohort.signatures import signature_measure

    settings: Comparison = arguments.settings
    enough = settings.min_parent_cells
    cells = storage.read_table(arguments.cells, [names.CELL, names.SAMPLE, names.LINEAGE, names.CELL_TYPE])
    expression, sheet = _read_expression(arguments.counts, cells, enough)
    samples = named_samples(sheet, settings)
    sets = marker_sets()
    composition = count_entities(cells, samples, sets, min_parent_cells=enough)
    contrasts = find_contrasts(
        samples, before=settings.before, after=settings.after, min_pairs=settings.min_pairs
    )
    measures = [
        composition_measure(composition, min_parent_cells=enough),
        signature_measure(cells, samples, sets, min_parent_cells=enough),
        expression,
    ]
    table = compare(contrasts, measures, min_pairs=settings.min_pairs)
    storage.write_table(composition, arguments.composition)
    storage.write_table(table, arguments.contrasts)
    used = {
        sample for contrast in contrasts for arm in (contrast.first, contrast.second) for sample in arm.index
    }
    tested = int((table["status"] == "tested").sum())
    LOG.info("%d contrasts: %s", len(contrasts), ", ".join(c.name for c in contrasts) or "none")
    LOG.info(
        "%d of %d rows tested; %d of %d samples in a contrast", tested, len(table), len(used), len(samples)
    )
    for sample in samples.index.difference(list(used)):
        row = samples.loc[sample]
        LOG.info(
            "in no contrast: %s (%s, time point %r, treatment %r)",
            *(sample, row[names.ENVIRONMENT], row[names.TIMEPOINT], row["treatment"]),
        )


def named_samples(sheet: pd.DataFrame, settings: Comparison) -> pd.DataFrame:
    """Gather the samples of a table, with cancers and treatments by the names that claims use.

    Parameters
    ----------
    sheet
        One row per cell or sample, with the sample sheet's columns.
    settings
        Holds the names.

    Raises
    ------
    InputError
        The sheet contradicts itself.
    """
    from stietime.cohort.samples import name_cohort, sample_table

    return name_cohort(
        sample_table(sheet),
        cancer_names=settings.cancer_names,
        treatment_names=settings.treatment_names,
        donor_names=settings.donor_names,
    )


def marker_sets() -> pd.DataFrame:
    """Give the tree of the marker sets: index `set_id`, columns `parent` and `level`."""
    from stietime.resources import read_markers

    return read_markers().drop_duplicates("set_id").set_index("set_id")[["parent", "level"]]


def claimed_genes() -> list[str]:
    """List the genes whose expression a claim is about."""
    from stietime.resources import read_claims

    claims = read_claims()
    return sorted(claims.loc[claims["testable"] == "gene_expression", "entity_id"].unique())


def _read_expression(
    paths: Sequence[Path], cells: pd.DataFrame, min_parent_cells: int
) -> tuple[Measure, pd.DataFrame]:
    """Sum the claims' genes in each sample, one at a time; and gather the samples' sheet columns.

    Raises
    ------
    InputError
        A kept cell is not in the counts.
    """
    import pandas as pd

    from stietime.cohort.expression import expression_measure
    from stietime.cohort.samples import SHEET_COLUMNS

    wanted = claimed_genes()
    bulks: dict[str, Pseudobulk] = {}
    rows = []
    kept = pd.Index(cells[names.CELL])
    for path in paths:
        sample, bulk, row = _sum_sample(path, kept, wanted)
        bulks[sample] = bulk
        rows.append(row)
    missing = len(kept) - sum(bulk.n_cells for bulk in bulks.values())
    if missing:
        what = f"{missing} of the {len(kept)} kept cells are in no counts file"
        raise InputError(
            what, paths[0].parent, "give the counts of every sample, and run the steps from ingest on"
        )
    sheet = pd.DataFrame(rows)
    columns = [names.SAMPLE, *(column for column in SHEET_COLUMNS if column in sheet.columns)]
    return expression_measure(bulks, wanted, min_parent_cells=min_parent_cells), sheet[columns]


def _sum_sample(path: Path, kept: pd.Index, wanted: Sequence[str]) -> tuple[str, Pseudobulk, pd.Series]:
    from stietime.cohort.expression import sum_genes

    counts = storage.read_cells(path)
    if not counts.n_obs:
        msg = "the sample holds no cell"
        raise InputError(msg, path, "take the sample out of the sample sheet")
    row = cast("pd.DataFrame", counts.obs).iloc[0]
    return (
        str(row[names.SAMPLE]),
        sum_genes(counts.X, counts.var_names, counts.obs_names.isin(kept), wanted),
        row,
    )
