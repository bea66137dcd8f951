"""Step `assess-quality`: measure the cells of a sample, find doublets, say which are kept and why."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, cast

import numpy as np

from stietime import names, storage
from stietime.cells.cuts import Cut, Limits, find_cuts
from stietime.cells.doublets import Doublets, describe_called, expected_rate, find_doublets, not_tested
from stietime.cells.quality import cut_table, find_reasons, measure
from stietime.errors import InputError
from stietime.settings import Quality
from stietime.steps.arguments import add_path, add_settings

if TYPE_CHECKING:
    import argparse

    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of one sample (h5ad)")
    add_settings(parser, Quality)
    add_path(parser, "--output", "quality of every cell (parquet)")
    add_path(parser, "--cuts", "cuts of every metric (tsv)")


def run(arguments: argparse.Namespace) -> None:
    """Assess one sample.

    Raises
    ------
    InputError
        The sample holds no cells.
    """
    settings: Quality = arguments.settings
    cells = storage.read_cells(arguments.counts)
    if not cells.n_obs:
        msg = "the sample holds no cells"
        raise InputError(
            msg, arguments.counts, "take the sample out of the sample sheet, or give its whole file"
        )
    sample = str(cells.obs[names.SAMPLE].iloc[0])
    limits = Limits(**settings.model_dump(include={field.name for field in dataclasses.fields(Limits)}))
    counts = cast("csr_matrix", cells.X)
    metrics = measure(counts, cells.var_names)
    cuts = find_cuts(metrics, limits)
    passed = find_reasons(metrics, cuts, limits) == names.KEPT
    doublets = _doublets(counts, cells.var_names, passed, settings)
    dropped = doublets.called if settings.remove_doublets else None
    reasons = find_reasons(metrics, cuts, limits, doublets=dropped)
    cuts.append(_doublet_cut(doublets, int(passed.sum()), settings))
    metrics["doublet_score"], metrics["is_doublet"] = doublets.scores, doublets.called
    metrics[names.KEEP], metrics[names.REASON] = reasons == names.KEPT, reasons
    storage.write_table(storage.cell_table(cells.obs_names, **metrics), arguments.output)
    storage.write_table(cut_table(sample, cuts, reasons), arguments.cuts)
    _report(sample, reasons)


def _doublets(counts: csr_matrix, genes: pd.Index, passed: NDArray[np.bool_], settings: Quality) -> Doublets:
    """Find doublets among the cells that passed everything else; the others have no score."""
    n_passed = int(passed.sum())
    if not settings.find_doublets:
        return not_tested(len(passed), "find_doublets is off")
    if n_passed < settings.min_cells_for_doublets:
        note = f"{n_passed} cells, fewer than min_cells_for_doublets = {settings.min_cells_for_doublets}"
        return not_tested(len(passed), note)
    tested = counts[passed]
    rate = expected_rate(n_passed, settings.doublet_rate_per_1000_cells)
    found = find_doublets(tested, rate=rate, seed=settings.seed)
    scores, called = np.full(len(passed), np.nan), np.zeros(len(passed), dtype=bool)
    scores[passed], called[passed] = found.scores, found.called
    note = "; ".join(filter(None, (found.note, describe_called(tested, genes, found.called, rate))))
    return found._replace(scores=scores, called=called, note=note)


def _doublet_cut(doublets: Doublets, n_tested: int, settings: Quality) -> Cut:
    tested = ~np.isnan(doublets.scores)
    cut = Cut("doublet_score", upper=doublets.threshold, n_cells=n_tested, note=doublets.note)
    if tested.any():
        cut = dataclasses.replace(cut, median=float(np.median(doublets.scores[tested])))
    if doublets.called.any() and not settings.remove_doublets:
        return cut.with_note(f"{doublets.called.sum()} called, kept because remove_doublets is off")
    return cut


def _report(sample: str, reasons: NDArray[np.object_]) -> None:
    values, counts = np.unique(reasons.astype(str), return_counts=True)
    found = ", ".join(f"{value} {count}" for value, count in zip(values, counts, strict=True))
    log.info("%s: %d cells: %s", sample, len(reasons), found)
    if names.KEPT not in values:
        log.warning(
            "%s: no cell is kept; see the notes in the table of cuts, and loosen the options of quality",
            sample,
        )
