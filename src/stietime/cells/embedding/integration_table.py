"""The table that says what the integration did: the cohort, the components, the correction and the mixing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime import names
from stietime.cells.embedding.contrast_design import judge_contrasts
from stietime.cells.embedding.design import relate_factors
from stietime.cells.embedding.design_notices import design_notices
from stietime.cells.embedding.integration_metrics import COLUMNS, Question, graph_rows, measure_embeddings
from stietime.cells.variable_genes import POOLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stietime.cells.embedding.integration import Components, Correction
    from stietime.cells.embedding.layout import Drawing
    from stietime.cells.embedding.neighbours import NeighbourGraph

BATCH: Final = "batch"
# types that do not come from the embedding: the authors', else the first guess by markers
TYPES: Final = ("given_cell_type", names.PROVISIONAL_LINEAGE)
Row = dict[str, object]


def integration_table(
    labels: pd.DataFrame,
    n_genes: tuple[int, int],
    components: Components,
    corrected: Correction,
    graph: NeighbourGraph,
    drawing: Drawing,
    mixing: pd.DataFrame,
    *,
    left_out: Sequence[str] = (),
) -> pd.DataFrame:
    """Tell what the integration did, and how labels mix before and after it.

    Parameters
    ----------
    labels
        One row per cell: sample, environment, batch and patient.
    n_genes
        Number of genes that all samples share, and of variable ones among them.
    components, corrected
        The embedding before and after the correction.
    graph
        The neighbours that clusters are found among.
    drawing
        UMAP of the graph.
    mixing
        How labels mix, as `measure_mixing` finds it.
    left_out
        Samples that keep no cell.

    Returns
    -------
    embedding (cohort, design, pca, harmony, graph, umap), metric, stratum, value, scaled, ideal, n (cells;
    samples for the design), note.
    """
    n = len(labels)
    rows = [
        _row("cohort", "n_cells", n, n),
        _row("cohort", "n_samples", labels[names.SAMPLE].nunique(), n, _tell_left_out(left_out)),
        _row("cohort", "n_batches", labels[BATCH].nunique(), n),
        _row("cohort", "n_genes_shared", n_genes[0], n, "genes that every sample has"),
        _row("cohort", "n_variable_genes", n_genes[1], n, f"batches of few cells are pooled as {POOLED}"),
        *_design(labels, corrected),
        *_components(components, n),
        *_correction(corrected, n),
        *_graph_and_drawing(graph, drawing, n),
    ]
    return pd.concat([pd.DataFrame(rows, columns=list(COLUMNS)), mixing], ignore_index=True)


def measure_mixing(
    labels: pd.DataFrame, components: Components, corrected: Correction, graph: NeighbourGraph, *, seed: int
) -> pd.DataFrame:
    """Measure how labels mix before and after the correction, and among neighbours.

    Parameters
    ----------
    labels
        One row per cell: sample, environment and batch, and further labels whose mixing is measured.
    components, corrected
        The embedding before and after the correction.
    graph
        The neighbours that clusters are found among.
    seed
        Seed of the cells that mixing is measured for.

    Returns
    -------
    Rows as `measure_embeddings` gives them, of embeddings pca and harmony and of the graph.
    """
    mixed = labels.drop(columns=names.SAMPLE).reset_index(drop=True)
    types = next((column for column in TYPES if column in mixed and mixed[column].notna().any()), "")
    question = Question(mixed, BATCH, types, strata=(BATCH, names.ENVIRONMENT), seed=seed)
    measured = measure_embeddings({"pca": components.scores, "harmony": corrected.embedding}, question)
    if corrected.note:
        after = measured["embedding"] == "harmony"
        measured.loc[after, "note"] = [
            "; ".join(filter(None, (corrected.note, note))) for note in measured.loc[after, "note"]
        ]
    return pd.concat([measured, graph_rows("graph", graph.weights, question)], ignore_index=True)


def _row(embedding: str, metric: str, value: float, n: int, note: str = "", ideal: float = np.nan) -> Row:
    row = {"embedding": embedding, "metric": metric, "stratum": "all", "value": value, "scaled": np.nan}
    return {**row, "ideal": ideal, "n": n, "note": note}


def _tell_left_out(samples: Sequence[str]) -> str:
    kind = "sample keeps" if len(samples) == 1 else "samples keep"
    return f"{len(samples)} further {kind} no cell: {', '.join(samples)}" if samples else ""


def _design(labels: pd.DataFrame, corrected: Correction) -> list[Row]:
    """Rows of the factors that go together, and the sentences for the top of the report."""
    samples = labels.drop_duplicates(names.SAMPLE).set_index(names.SAMPLE)
    relations = relate_factors(samples, [BATCH, *corrected.covariates, names.PATIENT])
    told = design_notices(relations, judge_contrasts(samples, {}), corrected.covariates)
    rows = [
        _row("design", f"{row['factor']}_tells_{row['other']}", row["tau"], len(samples), row["note"], 0.0)
        for row in relations.to_dict("records")
    ]
    return rows + [_row("design", "warning", np.nan, len(samples), sentence) for sentence in told]


def _components(components: Components, n: int) -> list[Row]:
    share = float(components.axes.explained.sum())
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
        *(
            _row("harmony", f"harmony_objective_{place}", value, n, "objective after so many rounds")
            for place, value in enumerate(corrected.objective)
        ),
    ]


def _graph_and_drawing(graph: NeighbourGraph, drawing: Drawing, n: int) -> list[Row]:
    exact = "exact search" if graph.recall == 1 else "share of the true neighbours found, of 500 cells"
    told = "fitted to all cells"
    if drawing.n_placed:
        told = f"fitted to a random sample, {drawing.n_placed} cells placed among their neighbours in it"
    return [
        _row("graph", "neighbour_recall", graph.recall, n, exact, ideal=1.0),
        _row("umap", "n_fitted", drawing.n_fitted, n, told),
    ]
