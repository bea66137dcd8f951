"""Step `compare-expression`: test genes within cell types between patients, and the reviews' regulators."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.blocks import Block, Blocks, cut_blocks, read_block
from stietime.cells.clusters.sums import ClusterSums, sum_clusters
from stietime.cohort.design.confounding import mark_confounded
from stietime.cohort.design.exclusions import note_excluded
from stietime.cohort.expression.pseudobulk import Kind, Pseudobulks, TypeSums, summed_kinds
from stietime.cohort.expression.regulators import regulator_genes
from stietime.cohort.expression.tables import Options, compare_expression
from stietime.cohort.testing.contrasts import CONFOUNDED, TESTED
from stietime.errors import InputError
from stietime.h5ad_parts import read_frame
from stietime.resources import read_claims, read_markers
from stietime.settings import Comparison, Expression
from stietime.steps.arguments import add_compute, add_path, add_paths, add_settings
from stietime.steps.chosen_contrasts import cohort_contrasts, confounding_reasons, sheet_columns
from stietime.steps.compare import excluded_samples, named_samples

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from stietime.cohort.expression.tables import Tables

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--cells", "cells.parquet, the table of all kept cells")
    add_paths(parser, "--counts", "counts.h5ad of every sample")
    add_path(parser, "--samples", "samples.tsv, the verdicts on all samples")
    add_settings(parser, Expression)
    add_settings(parser, Comparison, "--comparison")
    add_compute(parser)
    text = "differential_expression.parquet, regulators.tsv and expression_tests.tsv to write"
    add_paths(parser, "--output", text)


def run(arguments: argparse.Namespace) -> None:
    """Sum the counts of every type and sample, test all genes, and write the three tables.

    Raises
    ------
    InputError
        The tables are not of the same samples and cells, or the sheet contradicts itself.
    """
    settings: Expression = arguments.settings
    comparison: Comparison = arguments.comparison
    cells = storage.read_table(arguments.cells, [names.CELL, names.SAMPLE, names.LINEAGE, names.CELL_TYPE])
    sheet = _read_sheet(arguments.counts, sheet_columns(comparison))
    samples = named_samples(sheet, comparison)
    excluded = excluded_samples(arguments.samples, samples.index, cells)
    contrasts, lost = cohort_contrasts(samples, sheet, excluded, comparison)
    regulators = regulator_genes(read_claims(), read_markers())
    pseudobulks = _read_pseudobulks(arguments, cells, regulators)
    options = Options(
        settings.levels,
        settings.min_cells,
        settings.min_counts,
        comparison.min_pairs,
        settings.min_maker_share,
        settings.min_maker_detection,
        arguments.threads,
    )
    tables = compare_expression(contrasts, pseudobulks, regulators, options)
    reasons = confounding_reasons(contrasts, sheet)
    genes = tables.genes.assign(status=tables.genes["status"].astype(object))
    genes["status"] = genes["status"].mask(
        genes["contrast"].isin(list(reasons)) & (genes["status"] == TESTED), CONFOUNDED
    )
    told = [mark_confounded(note_excluded(part, lost), reasons) for part in (tables.regulators, tables.tests)]
    for table, path in zip((genes.astype({"status": "category"}), *told), arguments.output, strict=True):
        storage.write_table(table, path)
    _report(tables, reasons)


def _read_sheet(paths: Sequence[Path], wanted: list[str]) -> pd.DataFrame:
    """Gather the samples' columns of the sheet, one row per sample; empty samples have none."""
    frames = [read_frame(path, "obs", wanted).head(1) for path in paths]
    sheet = pd.concat([frame.astype(object) for frame in frames], ignore_index=True)
    return sheet[[column for column in wanted if column in sheet.columns]]


class _BlockCells(NamedTuple):
    """A block, and the kind of each of its wanted cells."""

    block: Block
    kinds: NDArray[np.int64]


def _read_pseudobulks(
    arguments: argparse.Namespace, cells: pd.DataFrame, wanted: Sequence[str]
) -> Pseudobulks:
    """Sum all genes of every kind of cell in every sample; the counts are read once, block by block.

    Raises
    ------
    InputError
        A kept cell is not in the counts.
    """
    labels = pd.MultiIndex.from_frame(cells[[names.LINEAGE, names.CELL_TYPE]].astype(str))
    codes, every = pd.factorize(labels, sort=True)
    kinds: list[Kind] = [(str(lineage), str(name)) for lineage, name in every]
    kind_of = pd.Series(codes.astype(np.int64), index=pd.Index(cells[names.CELL], dtype=object))
    parts = [part for path in arguments.counts for part in _cut(path, kind_of, arguments.compute.block_gib)]
    found = sum(len(part.kinds) for part in parts)
    if found != len(cells):
        what = f"{len(cells) - found} of the {len(cells)} kept cells are in no counts file"
        fix = "give the counts of every sample, and run the steps from ingest on"
        raise InputError(what, arguments.counts[0].parent, fix)
    over = Blocks([part.block for part in parts], arguments.compute.dask_scheduler, arguments.threads)
    sums: dict[Path, ClusterSums] = {}
    for part, own in zip(parts, over.map(partial(_sum_block, len(kinds)), parts), strict=True):
        path = part.block.path
        sums[path] = sums[path].joined(own) if path in sums else own
    return Pseudobulks({_sample_of(path): _kept(path, one, kinds, wanted) for path, one in sums.items()})


def _cut(path: Path, kind_of: pd.Series, max_gib: float) -> list[_BlockCells]:
    """Cut the kept cells of a file into blocks."""
    own = kind_of.reindex(read_frame(path, "obs", []).index).fillna(-1).to_numpy(dtype=np.int64)
    blocks = cut_blocks(path, own >= 0, max_gib=max_gib)
    return [_BlockCells(block, own[block.start : block.stop][block.keep]) for block in blocks]


def _sum_block(n_kinds: int, part: _BlockCells) -> ClusterSums:
    counts = read_block(part.block)
    return sum_clusters(counts, np.zeros(counts.shape[0]), part.kinds, n_kinds)


def _sample_of(path: Path) -> str:
    return str(read_frame(path, "obs", [names.SAMPLE])[names.SAMPLE].iloc[0])


def _kept(path: Path, sums: ClusterSums, kinds: Sequence[Kind], wanted: Sequence[str]) -> TypeSums:
    genes = read_frame(path, "var", []).index
    return summed_kinds(genes, kinds, sums.counts, sums.detected, sums.sizes, wanted)


def _report(tables: Tables, reasons: dict[str, str]) -> None:
    """Log what was tested, what could not be, and what was left out."""
    tests = tables.tests
    done = tests[tests["status"] == TESTED]
    log.info("%d of %d types in %d contrasts tested", len(done), len(tests), tests["contrast"].nunique())
    for name, rows in tests.groupby("contrast", sort=False):
        left = rows["n_genes_left_out"].iloc[0]
        if left:
            log.warning("%s: %d genes left out, which not all of its samples measure", name, left)
    makers = tables.regulators[tables.regulators["makes_it"].astype(bool)]
    log.info(
        "%d regulators; %d of %d rows of types that make one are tested",
        *(tables.regulators["gene"].nunique(), makers["p"].notna().sum(), len(makers)),
    )
    for name, reason in reasons.items():
        log.warning("nothing can be concluded from %s: %s", name, reason)
