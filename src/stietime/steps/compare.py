"""Compare fractions, signatures and genes between environments and time points, patients as the unit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from stietime import names, storage
from stietime.errors import InputError, raise_all
from stietime.settings import Comparison, States, expand_path
from stietime.steps.arguments import add_path, add_paths, add_settings
from stietime.steps.chosen_contrasts import cohort_contrasts, confounding_reasons, sheet_columns
from stietime.steps.claimed_values import claimed_values, count_claimed, with_gated
from stietime.steps.collect_samples import VERDICT, read_samples

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from stietime.cohort.design.designs import Contrast
    from stietime.cohort.expression.samples import Pseudobulk
    from stietime.cohort.testing.measures import Measure

LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--cells", "cells.parquet, the table of all kept cells")
    add_paths(parser, "--counts", "counts.h5ad of every sample")
    add_path(parser, "--samples", "samples.tsv, the verdicts on all samples")
    add_settings(parser, Comparison)
    add_settings(parser, States, "--states")
    add_path(parser, "--composition", "table of cells of each kind per sample to write (TSV)")
    add_path(parser, "--contrasts", "table of contrasts to write (TSV)")
    add_path(parser, "--patient-values", "table of the patients' values behind the claims to write (TSV)")


def run(arguments: argparse.Namespace) -> None:
    """Count, pool by patient, test, and write both tables.

    Excluded samples are in no contrast; their rows of the composition are empty and say why.

    Raises
    ------
    InputError
        The tables are not of the same samples and cells, or the sheet contradicts itself.
    """
    from stietime.cohort.composition.composition import count_entities
    from stietime.cohort.design.confounding import mark_confounded
    from stietime.cohort.design.exclusions import note_excluded
    from stietime.cohort.testing.contrasts import compare
    from stietime.cohort.testing.measures import composition_measure, gated_measure
    from stietime.cohort.testing.signatures import signature_measure

    settings: Comparison = arguments.settings
    enough = settings.min_parent_cells
    cells = storage.read_table(arguments.cells, [names.CELL, names.SAMPLE, names.LINEAGE, names.CELL_TYPE])
    expression, sheet = _read_expression(arguments.counts, cells, enough, sheet_columns(settings))
    samples = named_samples(sheet, settings)
    excluded = excluded_samples(arguments.samples, samples.index, cells)
    sets = marker_sets(arguments.states.gene_sets)
    composition = count_entities(cells, samples, sets, min_parent_cells=enough, excluded=excluded)
    gated = count_claimed(cells, samples, sets, min_parent_cells=enough, excluded=excluded)
    contrasts, lost = cohort_contrasts(samples, sheet, excluded, settings)
    measures = [
        composition_measure(composition, min_parent_cells=enough),
        gated_measure(gated, min_parent_cells=enough),
        signature_measure(cells, samples, sets, min_parent_cells=enough),
        expression,
    ]
    table = note_excluded(compare(contrasts, measures, min_pairs=settings.min_pairs), lost)
    confounded = confounding_reasons(contrasts, sheet)
    table = mark_confounded(table, confounded)
    for name, reason in confounded.items():
        LOG.warning("nothing can be concluded from %s: %s", name, reason)
    storage.write_table(with_gated(composition, gated), arguments.composition)
    storage.write_table(table, arguments.contrasts)
    storage.write_table(claimed_values(contrasts, measures), arguments.patient_values)
    _report(contrasts, table, samples, excluded)


def _report(
    contrasts: Sequence[Contrast], table: pd.DataFrame, samples: pd.DataFrame, excluded: dict[str, str]
) -> None:
    """Log what was tested, and which samples took no part."""
    parts = [part for contrast in contrasts for part in (contrast, contrast.minus) if part is not None]
    used = {sample for part in parts for arm in (part.first, part.second) for sample in arm.index}
    tested = int((table["status"] == "tested").sum())
    LOG.info("%d contrasts: %s", len(contrasts), ", ".join(c.name for c in contrasts) or "none")
    LOG.info(
        "%d of %d rows tested; %d of %d samples in a contrast", tested, len(table), len(used), len(samples)
    )
    for sample, reason in excluded.items():
        LOG.warning("in no contrast: %s is excluded (%s)", sample, reason)
    for sample in samples.index.difference([*used, *excluded]):
        row = samples.loc[sample]
        LOG.info(
            "in no contrast: %s (%s, time point %r, treatment %r)",
            *(sample, row[names.ENVIRONMENT], row[names.TIMEPOINT], row["treatment"]),
        )


def excluded_samples(path: Path, samples: pd.Index, cells: pd.DataFrame) -> dict[str, str]:
    """Read which of the samples are excluded, and why.

    Parameters
    ----------
    path
        `samples.tsv`, as `collect-samples` writes it.
    samples
        Names of the samples that are compared.
    cells
        One row per kept cell, with `sample`.

    Returns
    -------
    The reason of each excluded sample.

    Raises
    ------
    InputError
        A sample has no verdict, or is excluded while cells of it are kept.
    """
    verdicts = read_samples(path)
    fix = "run the steps from `assess-quality` on again, so that all tables are of the same samples"
    errors = [
        InputError(f"the sample {sample} has no verdict", path, fix)
        for sample in samples.difference(verdicts.index)
    ]
    out = verdicts[(verdicts[VERDICT] == names.EXCLUDED) & verdicts.index.isin(samples)]
    for sample, n in cells[names.SAMPLE].astype(str).value_counts().items():
        if sample in out.index:
            errors.append(
                InputError(f"the sample {sample} is excluded, but {n} of its cells are kept", path, fix)
            )
    raise_all(errors)
    return {str(sample): str(reason) for sample, reason in out[names.REASON].items()}


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
    from stietime.cohort.design.samples import name_cohort, sample_table

    return name_cohort(
        sample_table(sheet),
        cancer_names=settings.cancer_names,
        treatment_names=settings.treatment_names,
        donor_names=settings.donor_names,
    )


def marker_sets(own: str) -> pd.DataFrame:
    """Give the tree of the marker sets: index `set_id`, columns `parent` and `level`.

    Parameters
    ----------
    own
        File of the user's own sets, which stand behind those of the reviews; may be empty.
    """
    from stietime.inputs.gene_sets import add_gene_sets
    from stietime.resources import read_markers

    markers = add_gene_sets(read_markers(), expand_path(own)) if own else read_markers()
    return markers.drop_duplicates("set_id").set_index("set_id")[["parent", "level"]]


def claimed_genes() -> list[str]:
    """List the genes whose expression a claim is about."""
    from stietime.resources import read_claims

    claims = read_claims()
    return sorted(claims.loc[claims["testable"] == "gene_expression", "entity_id"].unique())


def _read_expression(
    paths: Sequence[Path], cells: pd.DataFrame, min_parent_cells: int, columns: Sequence[str]
) -> tuple[Measure, pd.DataFrame]:
    """Sum the claims' genes in each sample, one at a time; and gather the samples' sheet columns.

    Raises
    ------
    InputError
        A kept cell is not in the counts.
    """
    import pandas as pd

    from stietime.cohort.expression.samples import expression_measure

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
    measure = expression_measure(bulks, wanted, min_parent_cells=min_parent_cells)
    return measure, sheet[[column for column in columns if column in sheet.columns]]


def _sum_sample(path: Path, kept: pd.Index, wanted: Sequence[str]) -> tuple[str, Pseudobulk, pd.Series]:
    from stietime.cohort.expression.samples import sum_genes

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
