"""The table that says what the integration did: the cohort, the components, the correction and the mixing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cells import mixing
from stietime.cells.variable_genes import POOLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stietime.cells.integration import Components, Correction

BATCH: Final = "batch"
Row = dict[str, object]


def integration_table(
    labels: pd.DataFrame,
    n_genes: tuple[int, int],
    components: Components,
    corrected: Correction,
    *,
    left_out: Sequence[str] = (),
    seed: int = 1,
) -> pd.DataFrame:
    """Tell what the integration did, and how labels mix before and after it.

    Parameters
    ----------
    labels
        One row per cell: sample, environment and batch, and further labels whose mixing is measured.
    n_genes
        Number of genes that all samples share, and of variable ones among them.
    components, corrected
        The embedding before and after the correction.
    left_out
        Samples that keep no cell.
    seed
        Seed of the cells that mixing is measured for.

    Returns
    -------
    embedding (cohort, pca, harmony), metric, value, ideal, n (cells), note.
    """
    n = len(labels)
    rows = [
        _row("cohort", "n_cells", n, n),
        _row("cohort", "n_samples", labels[names.SAMPLE].nunique(), n, _tell_left_out(left_out)),
        _row("cohort", "n_batches", labels[BATCH].nunique(), n),
        _row("cohort", "n_genes_shared", n_genes[0], n, "genes that every sample has"),
        _row("cohort", "n_variable_genes", n_genes[1], n, f"batches of few cells are pooled as {POOLED}"),
        _confounding(labels),
        *_components(components, n),
        *_correction(corrected, n),
    ]
    mixed = labels.drop(columns=names.SAMPLE)
    rows += mixing.mixing_rows("pca", components.scores, mixed, seed=seed)
    for row in mixing.mixing_rows("harmony", corrected.embedding, mixed, seed=seed):
        rows.append({**row, "note": "; ".join(filter(None, (corrected.note, str(row["note"]))))})
    return pd.DataFrame(rows)


def _row(embedding: str, metric: str, value: float, n: int, note: str = "", ideal: float = np.nan) -> Row:
    return {"embedding": embedding, "metric": metric, "value": value, "ideal": ideal, "n": n, "note": note}


def _tell_left_out(samples: Sequence[str]) -> str:
    kind = "sample keeps" if len(samples) == 1 else "samples keep"
    return f"{len(samples)} further {kind} no cell: {', '.join(samples)}" if samples else ""


def _confounding(labels: pd.DataFrame) -> Row:
    strength, note = mixing.confounding(labels[BATCH], labels[names.ENVIRONMENT])
    return _row("cohort", "batch_environment_cramers_v", strength, len(labels), note, ideal=0.0)


def _components(components: Components, n: int) -> list[Row]:
    share = float(components.explained.sum())
    return [
        _row("pca", "n_components", components.scores.shape[1], n),
        _row("pca", "variance_explained", share, n, "share of the variable genes' variance"),
    ]


def _correction(corrected: Correction, n: int) -> list[Row]:
    stopped = f"stopped by itself, rounds: {corrected.n_iterations}"
    at_limit = "stopped at the largest number of rounds"
    note = corrected.note or (stopped if corrected.converged else at_limit)
    return [
        _row("harmony", "harmony_iterations", corrected.n_iterations, n, note),
        _row("harmony", "harmony_converged", float(corrected.converged), n, note, ideal=1.0),
    ]
