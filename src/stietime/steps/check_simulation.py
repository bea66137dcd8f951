"""Step `check-simulation`: put planted beside recovered values of a simulated cohort."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import pandas as pd

from stietime import names, storage
from stietime.errors import InputError
from stietime.simulate import checks, state_checks
from stietime.simulate.checks import COLUMNS, Record, record
from stietime.simulate.clone_checks import CLONES, clone_records
from stietime.simulate.embedding_checks import embedding_records
from stietime.steps.arguments import add_optional_paths, add_path, add_paths

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

TRUE_NAMES = ("lineage", "cell_type", "state", "kind", "partner")
CLONE_COLUMNS = ("patient", "entity", "index", "value", "timepoint", "environment", "other")
TRUE_COLUMNS = tuple(f"{names.SOURCE_PREFIX}true_{name}" for name in TRUE_NAMES)
SAMPLE_EXCLUDED = "sample_excluded"
NOT_IMMUNE = ("epithelial", "fibroblast", "pericyte", "endothelial", "erythroid", "platelet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--truth", "truth.tsv that `stietime simulate` wrote")
    add_paths(parser, "--counts", "counts.h5ad of every sample")
    add_paths(parser, "--quality", "quality.parquet of every sample, in the same order")
    add_path(parser, "--cells", "cells.parquet of the cohort")
    add_path(parser, "--embedding", "embedding.parquet of the cohort")
    add_optional_paths(parser, "--clonotypes", "clonotypes.tsv of the cohort")
    add_optional_paths(parser, "--section-counts", "counts.h5ad of every section")
    add_optional_paths(parser, "--architecture", "architecture.tsv of every section, in the same order")
    add_path(parser, "--output", "table of checks to write (TSV)")


def run(arguments: argparse.Namespace) -> None:
    """Compare a run on simulated cells with the truth.

    The filters of cells are judged in all samples: a cell that was dropped because its sample is excluded had
    passed them. Fractions, types and states are compared in the samples that keep cells, and a row names each
    of the others.

    Raises
    ------
    InputError
        The counts hold no truth, or the tables are not of the same cells.
    """
    truth = storage.read_table(arguments.truth, ["sample", "entity", "level", "fraction", "planted_fraction"])
    obs = pd.concat([_read_truth(path) for path in arguments.counts])
    quality = storage.stack_tables(arguments.quality, [names.CELL, names.KEEP, names.REASON, "is_doublet"])
    calls = [names.call_column(state) for state in names.STATES]
    cells = storage.read_table(arguments.cells, [names.CELL, names.LINEAGE, names.CELL_TYPE, *calls])
    cells[calls] = (
        cells[calls].astype("boolean").fillna(value=False).astype(bool)
    )  # not testable: none recovered
    try:
        table = checks.join_truth(obs, quality, cells)
    except ValueError as error:
        raise InputError(str(error), arguments.cells, "delete the results and run again") from None
    left_out = _samples_without_cells(table)
    truth_of_kept = truth[~truth[names.SAMPLE].isin(list(left_out))]
    passed = table[names.KEEP] | (table[names.REASON] == SAMPLE_EXCLUDED)
    records = [
        *_left_out_records(table, left_out),
        *state_checks.fraction_records(table, truth_of_kept),
        *state_checks.direction_records(table, truth_of_kept),
        *checks.quality_records(table.assign(**{names.KEEP: passed})),
        *checks.annotation_records(table),
        *checks.state_call_records(table),
        *_clone_records(table, arguments.clonotypes),
        *_embedding_records(arguments.embedding, obs, table),
        *_section_records(truth, arguments.section_counts, arguments.architecture),
    ]
    found = pd.DataFrame(records, columns=list(COLUMNS))
    storage.write_table(found, arguments.output)
    missed = found[found["met"] == False]  # noqa: E712 - missing values are neither met nor missed
    n_checks = int(found["met"].notna().sum())
    log.info("%d of %d checks met", n_checks - len(missed), n_checks)
    for _, row in missed.iterrows():
        log.info("not met: %s", " ".join(str(row[name]) for name in COLUMNS[:6]))


def _samples_without_cells(table: pd.DataFrame) -> pd.Index:
    """Name the samples that keep no cell, in their order."""
    kept = table.groupby(names.SAMPLE, sort=False)[names.KEEP].any()
    return kept.index[~kept]


def _left_out_records(table: pd.DataFrame, samples: pd.Index) -> Iterator[Record]:
    """Give each sample without a kept cell a row, which is neither met nor missed."""
    for sample in samples:
        rows = table[table[names.SAMPLE] == sample]
        where = (str(rows[names.ENVIRONMENT].iloc[0]), str(rows[names.TIMEPOINT].iloc[0]))
        excluded = (rows[names.REASON] == SAMPLE_EXCLUDED).any()
        why = "the sample is excluded" if excluded else "not one cell passed the filters"
        n_true = int((rows["true_kind"] == "cell").sum())
        note = f"true single cells that are kept; {why}, and is in no fraction, type or state"
        told = record("sample_kept", str(sample), n_true, 0, len(rows), met=False, note=note, where=where)
        yield {**told, "met": None}


def _read_truth(path: Path) -> pd.DataFrame:
    """Read what a file of counts says of its cells, without the counts."""
    import anndata as ad

    if not path.is_file():
        msg = "the counts do not exist"
        raise InputError(msg, path, "run the step `ingest`")
    cells = ad.read_h5ad(path, backed="r")
    obs = cast("pd.DataFrame", cells.obs).copy()
    cells.file.close()
    missing = [column for column in TRUE_COLUMNS if column not in obs.columns]
    if missing:
        what = f"the counts hold no truth: {', '.join(missing)} missing"
        raise InputError(what, path, "use this step on cohorts of `stietime simulate` only")
    return obs


def _clone_records(table: pd.DataFrame, paths: Sequence[Path]) -> Iterator[Record]:
    """Compare the clones, where the run followed them."""
    for path in paths:
        if CLONES not in table.columns:
            what = f"the counts hold no truth: {names.SOURCE_PREFIX}{CLONES} missing"
            raise InputError(what, path, "simulate the cohort anew and run again")
        yield from clone_records(table, storage.read_table(path, CLONE_COLUMNS))


def _embedding_records(path: Path, obs: pd.DataFrame, table: pd.DataFrame) -> Iterator[Record]:
    """Compare the embedding before and after Harmony on the kept single cells."""
    embedding = storage.read_table(path, [names.CELL]).set_index(names.CELL)
    single = table[table[names.KEEP] & (table["true_kind"] == "cell")]
    if not single.index.isin(embedding.index).all():
        msg = "the embedding lacks cells that are kept"
        raise InputError(msg, path, "delete the file and run again, so that it is made from the same cells")
    labels = single.assign(batch=obs["batch"].astype(str).reindex(single.index))
    yield from embedding_records(embedding.loc[single.index], labels)


def _section_records(truth: pd.DataFrame, counts: Sequence[Path], tables: Sequence[Path]) -> Iterator[Record]:
    """Compare the class of each section, and the number of its immune cells (met: within a fifth)."""
    if not counts:
        return
    planted = truth[truth["level"] == "section_class"].set_index(names.SAMPLE)["entity"]
    measured = storage.stack_tables(tables, ["section", "class_phenotype", "n_immune"]).set_index("section")
    for path in counts:
        obs = _read_truth(path)
        section = str(obs[names.SAMPLE].iloc[0])
        if section not in measured.index or section not in planted.index:
            what = f"the truth or the architecture of section {section} is missing"
            raise InputError(what, path, "give the tables of the same sections")
        where = (str(obs[names.ENVIRONMENT].iloc[0]), str(obs[names.TIMEPOINT].iloc[0]))
        n, kind = len(obs), measured["class_phenotype"].fillna("").astype(str)[section]
        met = kind == planted[section]
        yield record("section_class", section, planted[section], kind, n, met=met, where=where)
        lineage = obs[f"{names.SOURCE_PREFIX}true_lineage"].astype(str)
        immune = int((~lineage.isin(NOT_IMMUNE)).sum())
        called = int(measured["n_immune"].astype(int)[section])
        met = abs(called - immune) <= max(0.2 * immune, 10)
        note = "met: within a fifth, or 10 cells"
        yield record("section_immune_cells", section, immune, called, n, met=met, note=note, where=where)
