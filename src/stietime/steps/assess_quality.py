"""Step `assess-quality`: measure the cells of a sample, say which are kept and why, and judge the sample."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.blocks import read_counts
from stietime.cells.ambient.estimate import Ambient, ambient_table, estimate_ambient, haemoglobin_share
from stietime.cells.doublets.captures import Doublets, not_tested, score_captures
from stietime.cells.quality.cuts import Cut, Limits, find_cuts
from stietime.cells.quality.empty_droplets import call_cells, looks_unfiltered
from stietime.cells.quality.erythroid import NUCLEATED, erythroid_kinds
from stietime.cells.quality.expressed_sex import expressed_sex, sex_in_sheet
from stietime.cells.quality.lineage_losses import lineage_losses
from stietime.cells.quality.measures import cut_table, find_reasons, measure
from stietime.cells.quality.provisional_lineage import provisional_lineages, second_lineage
from stietime.cells.quality.sample_verdicts import VerdictLimits, judge, tell_losses
from stietime.cells.quality.saturation import saturation
from stietime.errors import InputError
from stietime.h5ad_parts import read_fact, read_frame
from stietime.resources import read_markers
from stietime.settings import Quality
from stietime.steps.arguments import add_path, add_settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.resources import Species

    Mask = NDArray[np.bool_]
    Words = NDArray[np.object_]

log = logging.getLogger(__name__)
EMPTY_DROPLET_COUNTS = "empty_droplet_counts"  # column of var that ingest fills from an unfiltered matrix


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of one sample (h5ad)")
    add_settings(parser, Quality)
    add_path(parser, "--output", "quality of every cell (parquet)")
    add_path(parser, "--cuts", "cuts of every metric and lineage (tsv)")
    add_path(parser, "--losses", "cells dropped by reason and provisional lineage (tsv)")
    add_path(parser, "--ambient", "ambient RNA by gene (tsv)")
    add_path(parser, "--sample-quality", "verdict on the sample and its numbers, one row (tsv)")


@dataclass(frozen=True)
class _Sample:
    """The counts of one sample, with what the sheet and the file say of it."""

    name: str
    counts: csr_matrix
    genes: list[str]
    obs: pd.DataFrame
    markers: pd.DataFrame
    empty_droplet_counts: NDArray[np.int64] | None
    n_empty_droplets: int
    where: Path

    def said(self, column: str) -> str:
        """Read what the sheet says of the sample; empty when it has no such column."""
        return str(self.obs[column].iloc[0]) if column in self.obs else ""

    def given(self, column: str, option: str) -> Words:
        """Give the column of the input file that an option names.

        Raises
        ------
        InputError
            The file has no such column.
        """
        own = names.SOURCE_PREFIX + column
        if own in self.obs:
            return self.obs[own].astype(str).to_numpy(dtype=object)
        known = [str(c) for c in self.obs.columns if str(c).startswith(names.SOURCE_PREFIX)]
        found = [c.removeprefix(names.SOURCE_PREFIX) for c in known]
        what = f"quality.{option} is {column!r}, and the input of {self.name} has no such column"
        raise InputError(what, self.where, f"use one of its columns, {', '.join(found)}; or leave it out")


@dataclass(frozen=True)
class _Found:
    """What the filters say of every cell of a sample."""

    metrics: pd.DataFrame
    cuts: list[Cut]
    doublets: Doublets
    reasons: Words

    @property
    def lineages(self) -> Words:
        """Provisional lineage of every cell."""
        return self.metrics[names.PROVISIONAL_LINEAGE].to_numpy(dtype=object)

    @property
    def kept(self) -> Mask:
        """Whether each cell is kept."""
        return np.asarray(self.reasons == names.KEPT)


def run(arguments: argparse.Namespace) -> None:
    """Assess one sample; nothing depends on any other sample.

    Raises
    ------
    InputError
        The sample holds no cells, or lacks a column that the settings name.
    """
    settings: Quality = arguments.settings
    sample = _read(arguments.counts)
    sample, droplets_note, is_cell = _without_empty_droplets(sample, settings)
    found = _filter(sample, is_cell, droplets_note, settings)
    kept = sample.counts[found.kept]
    ambient = estimate_ambient(
        kept,
        sample.genes,
        found.lineages[found.kept],
        sample.markers,
        empty_droplet_counts=sample.empty_droplet_counts,
    )
    found = _with_erythroid_kinds(sample, found, ambient)
    losses = lineage_losses(sample.name, found.lineages, found.reasons, max_loss=settings.max_lineage_loss)
    facts = _facts(sample, found, kept, ambient, losses, settings)
    genes = ambient_table(ambient, kept, sample.genes, sample.markers)
    if facts["verdict"] == names.EXCLUDED:
        reasons = np.where(found.kept, "sample_excluded", found.reasons).astype(object)
        found = replace(found, reasons=reasons)
        losses = lineage_losses(sample.name, found.lineages, reasons, max_loss=settings.max_lineage_loss)
    quality = found.metrics.assign(**{names.KEEP: found.kept, names.REASON: found.reasons})
    storage.write_table(storage.cell_table(sample.obs.index, **quality), arguments.output)
    storage.write_table(cut_table(sample.name, found.cuts, found.reasons, found.lineages), arguments.cuts)
    storage.write_table(losses, arguments.losses)
    storage.write_table(genes, arguments.ambient)
    storage.write_table(pd.DataFrame([facts]), arguments.sample_quality)
    _report(found.reasons, facts, losses)


def _read(path: Path) -> _Sample:
    obs, var = read_frame(path, "obs"), read_frame(path, "var")
    if not len(obs):
        msg = "the sample holds no cells"
        raise InputError(msg, path, "take the sample out of the sample sheet, or give its whole file")
    species: Species = "mouse" if "species" in obs and obs["species"].iloc[0] == "mouse" else "human"
    empty = var[EMPTY_DROPLET_COUNTS].to_numpy(dtype=np.int64) if EMPTY_DROPLET_COUNTS in var else None
    return _Sample(
        name=str(obs[names.SAMPLE].iloc[0]),
        counts=read_counts(path),
        genes=[str(gene) for gene in var.index],
        obs=obs,
        markers=read_markers(species),
        empty_droplet_counts=empty,
        n_empty_droplets=read_fact(path, "ingest/n_empty_droplets", 0),
        where=path,
    )


def _without_empty_droplets(sample: _Sample, settings: Quality) -> tuple[_Sample, str, Mask]:
    """Tell cells from empty droplets where the matrix is unfiltered; the droplets give the ambient RNA."""
    everything = np.ones(len(sample.obs), dtype=bool)
    most = settings.max_counts_empty_droplet
    if not looks_unfiltered(sample.counts, max_counts_empty_droplet=most):
        return sample, "", everything
    is_cell, empty, note = call_cells(
        sample.counts, max_counts_empty_droplet=most, fdr=settings.empty_droplet_fdr, seed=settings.seed
    )
    if sample.empty_droplet_counts is None:
        sample = replace(sample, empty_droplet_counts=empty, n_empty_droplets=int((~is_cell).sum()))
    return sample, note, is_cell


def _filter(sample: _Sample, is_cell: Mask, droplets_note: str, settings: Quality) -> _Found:
    """Measure all droplets, and give each the reason for which it is kept or dropped."""
    limits = Limits(**settings.model_dump(include={field.name for field in dataclasses.fields(Limits)}))
    intronic = sample.obs["pct_intronic"].to_numpy(dtype=float) if "pct_intronic" in sample.obs else None
    metrics = measure(sample.counts, sample.genes, pct_intronic=intronic)
    lineages = np.full(len(metrics), names.UNCLEAR, dtype=object)
    lineages[is_cell] = provisional_lineages(sample.counts[is_cell], sample.genes, sample.markers)
    metrics[names.PROVISIONAL_LINEAGE] = lineages
    cuts = find_cuts(metrics[is_cell], limits)
    if droplets_note:
        cuts = [cut.with_note(droplets_note) if cut.metric == "empty" else cut for cut in cuts]
    reasons = np.where(is_cell, find_reasons(metrics, cuts, limits), "empty").astype(object)
    doublets = _doublets(sample, metrics, np.asarray(reasons == names.KEPT), settings)
    if settings.remove_doublets:
        reasons[(reasons == names.KEPT) & doublets.called] = "doublet"
    metrics["doublet_score"], metrics["is_doublet"] = doublets.scores, doublets.called
    metrics["doublet_evidence"] = doublets.evidence
    return _Found(metrics, [*cuts, _doublet_cut(doublets, settings)], doublets, reasons)


def _doublets(sample: _Sample, metrics: pd.DataFrame, passed: Mask, settings: Quality) -> Doublets:
    """Find doublets among the cells that passed everything else; the others have no score."""
    if not settings.find_doublets:
        return not_tested(len(passed), "find_doublets is off")
    counts = sample.counts[passed]
    captures = sample.given(settings.capture_column, "capture_column") if settings.capture_column else None
    labels = sample.given(settings.doublet_column, "doublet_column") if settings.doublet_column else None
    kinds = erythroid_kinds(counts, sample.genes, metrics[passed])
    found = score_captures(
        counts,
        sample.genes,
        captures=None if captures is None else captures[passed],
        chemistry=sample.said("chemistry"),
        rate_per_1000_cells=settings.doublet_rate_per_1000_cells,
        min_cells=settings.min_cells_for_doublets,
        seed=settings.seed,
        labels=None if labels is None else np.isin(labels[passed], settings.doublet_names),
        protected=np.asarray(kinds == NUCLEATED) if settings.protect_hybrids else None,
        second_lineage=second_lineage(counts, sample.genes, sample.markers),
    )
    return found.spread(passed)


def _doublet_cut(doublets: Doublets, settings: Quality) -> Cut:
    tested = ~np.isnan(doublets.scores)
    cut = Cut("doublet_score", upper=doublets.threshold, n_cells=int(tested.sum()), note=doublets.note)
    if tested.any():
        cut = replace(cut, median=float(np.median(doublets.scores[tested])))
    if doublets.called.any() and not settings.remove_doublets:
        return cut.with_note(f"{doublets.called.sum()} called, kept because remove_doublets is off")
    return cut


def _with_erythroid_kinds(sample: _Sample, found: _Found, ambient: Ambient) -> _Found:
    """Tell red cells, reticulocytes and nucleated erythroid cells from cells with ambient haemoglobin."""
    share = ambient.contamination * haemoglobin_share(ambient.profile, sample.genes)
    kinds = erythroid_kinds(sample.counts, sample.genes, found.metrics, ambient_hb_share=share)
    return replace(found, metrics=found.metrics.assign(erythroid_kind=kinds))


def _facts(
    sample: _Sample,
    found: _Found,
    counts: csr_matrix,
    ambient: Ambient,
    losses: pd.DataFrame,
    settings: Quality,
) -> dict[str, Any]:
    """Gather the numbers of a sample, and judge it by them."""
    kept = found.metrics[found.kept]
    table = cut_table(sample.name, found.cuts, found.reasons, found.lineages)
    sex, sex_note = expressed_sex(counts, sample.genes)
    facts = {
        "n_measured": len(found.metrics),
        "n_kept": len(kept),
        "median_counts": kept["n_counts"].median(),
        "median_genes": kept["n_genes"].median(),
        "median_pct_mito": kept["pct_mito"].median(),
        "saturation": saturation(counts),
        "contamination": ambient.contamination,
        "contamination_low": ambient.low,
        "contamination_high": ambient.high,
        "contamination_source": ambient.source,
        "contamination_note": ambient.note,
        "doublet_rate_expected": found.doublets.rate,
        "n_doublets": int(found.doublets.called.sum()),
        "doublet_note": found.doublets.note,
        "sex_expressed": sex,
        "sex_sheet": sex_in_sheet(sample.said("sex")),
        "n_lineage_warnings": int((losses["warning"] != "").sum()),
        "n_empty_droplets": sample.n_empty_droplets,
    }
    removed = {str(reason): int(n) for reason, n in pd.Series(found.reasons).value_counts().items()}
    told = {"losses": tell_losses(removed, table), "sex_note": sex_note}
    rules = {field.name for field in dataclasses.fields(VerdictLimits)}
    verdict, reason = judge(facts | told, VerdictLimits(**settings.model_dump(include=rules)))
    sheet = {c: sample.said(c) for c in (names.PATIENT, names.ENVIRONMENT, names.TIMEPOINT)}
    return {names.SAMPLE: sample.name, **sheet, "verdict": verdict, names.REASON: reason, **facts}


def _report(reasons: Words, facts: dict[str, Any], losses: pd.DataFrame) -> None:
    values, counts = np.unique(reasons.astype(str), return_counts=True)
    told = ", ".join(f"{value} {count}" for value, count in zip(values, counts, strict=True))
    log.info("%s: %d cells: %s", facts[names.SAMPLE], len(reasons), told)
    level = log.info if facts["verdict"] == names.USABLE else log.warning
    level(
        "%s: %s%s", facts[names.SAMPLE], facts["verdict"], f": {facts['reason']}" if facts["reason"] else ""
    )
    for warning in losses.loc[losses["warning"] != "", "warning"]:
        log.warning("%s: %s", facts[names.SAMPLE], warning)
