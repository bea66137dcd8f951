"""Metrics of an integration, before and after: whether batches mix and cell types stay apart.

Definitions and scaling are those of scib (Luecken et al., Nature Methods 2022). Cells are sampled with a
seed, so that the time hardly grows with their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime.cells.embedding.graph_metrics import graph_diversity, in_largest_component, nearest_graph
from stietime.cells.embedding.mixing import (
    KBET_ALPHA,
    diversity_among,
    full_mixing,
    mixing_p,
    neighbours_for,
)
from stietime.cells.embedding.neighbours import nearest_neighbours
from stietime.cells.embedding.silhouettes import silhouettes
from stietime.cells.embedding.strata import ALL, sampled_cells, sampled_strata, strata_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.embedding.neighbours import Neighbours

    Vector = NDArray[np.float64]
    Row = dict[str, object]
    Search = Callable[..., Neighbours]

COLUMNS: Final = ("embedding", "metric", "stratum", "value", "scaled", "ideal", "n", "note")
# cells whose neighbours are looked up, and cells whose distances to each other are all computed
MAX_CELLS: Final = 3_000
MAX_NEIGHBOURS_FROM: Final = 200_000
PERPLEXITY: Final = 30.0
GRAPH_K: Final = 15
FEW: Final = 30


class Question(NamedTuple):
    """What is measured.

    Parameters
    ----------
    labels
        One row per cell, one column per label; the labels that should mix (batch, environment, patient) are
        told from those that should not by `cell_type`.
    batch
        Column of the batch.
    cell_type
        Column of the cell types, given or found without the embedding; cells without one are left out of
        the metrics that need it. Empty where there is none.
    strata
        Columns of which every value has rows of its own.
    seed
        Seed of the sampled cells.
    max_cells
        Largest number of cells that a metric is computed for.
    """

    labels: pd.DataFrame
    batch: str
    cell_type: str = ""
    strata: tuple[str, ...] = ()
    seed: int = 1
    max_cells: int = MAX_CELLS


def measure_embeddings(
    embeddings: Mapping[str, Vector], question: Question, *, search: Search = nearest_neighbours
) -> pd.DataFrame:
    """Measure mixing and separation in several embeddings of the same cells.

    Parameters
    ----------
    embeddings
        By name, cells x dimensions; the first is the uncorrected one that the others are compared with.
    question
        The labels, and how many cells to look at.
    search
        Finds the k nearest other cells of some rows, as `nearest_neighbours`, which is exact, does.

    Returns
    -------
    One row per embedding, metric and stratum (`all`, or `column=value`). `value` is as first published and
    `scaled` is scib's, 0 to 1 with 1 the best; `ideal` is in the unit of `value`. For LISI and kBET, `n` is
    the number of cells looked up; their neighbours are taken from all cells (200,000 of them at most).
    """
    rows: list[Row] = []
    first: pd.DataFrame | None = None
    for name, points in embeddings.items():
        rows += _local_rows(name, points, question, search)
        rows += _distance_rows(name, points, question)
        shares = _regression_rows(name, points, question, first)
        first = pd.DataFrame(shares) if first is None else first
        rows += shares
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _local_rows(name: str, points: Vector, question: Question, search: Search) -> list[Row]:
    """Rows of LISI for every label, and of kBET for the batch."""
    kept = sampled_cells(len(points), MAX_NEIGHBOURS_FROM, question.seed)
    labels, points = question.labels.iloc[kept], points[kept]
    strata = strata_of(labels, question.strata)
    chosen = sampled_strata(strata, question.max_cells, question.seed)
    looked_up = np.unique(np.concatenate(list(chosen.values())))
    k = neighbours_for(PERPLEXITY, len(points))
    found = search(np.ascontiguousarray(points, dtype=np.float32), k, rows=looked_up)
    diversity = diversity_among(found, labels)
    p = mixing_p(found, looked_up, labels[question.batch])
    rows = []
    for stratum, cells in chosen.items():
        places = np.searchsorted(looked_up, cells)
        inside = labels[strata[stratum]]
        for label in labels.columns:
            values = _of_labelled(diversity[label].to_numpy()[places], labels[label].iloc[cells], question)
            rows.append(_lisi_row(name, stratum, values, inside[label], question))
        accepted = float("nan") if np.isnan(p).any() else float((p[places] >= KBET_ALPHA).mean())
        metric = f"kbet_{question.batch}"
        rows.append(_row(name, stratum, metric, accepted, len(cells), scaled=accepted, ideal=1 - KBET_ALPHA))
    return rows


def _of_labelled(values: Vector, labels: pd.Series, question: Question) -> Vector:
    """Leave out the cells whose type is not known; of other labels a missing value is a value."""
    return values[labels.notna().to_numpy()] if labels.name == question.cell_type else values


def _lisi_row(name: str, stratum: str, values: Vector, inside: pd.Series, question: Question) -> Row:
    """Make one row of LISI; types should not mix, everything else is held against full mixing."""
    label = inside.name
    everything = question.labels[label]
    n_labels = len(everything.unique())
    median = float(np.median(values)) if len(values) else float("nan")
    scaled = (median - 1) / (n_labels - 1) if n_labels > 1 else float("nan")
    if label == question.cell_type:
        return _row(name, stratum, f"lisi_{label}", median, len(values), scaled=1 - scaled, ideal=1.0)
    # full mixing of what the stratum holds; a stratum of one batch has to mix with the others
    several = len(inside.unique()) > 1
    ideal = full_mixing(inside if several else everything)
    note = "" if label == question.batch else "ideal is full mixing, which is not the aim"
    return _row(name, stratum, f"lisi_{label}", median, len(values), scaled=scaled, ideal=ideal, note=note)


def _row(
    embedding: str,
    stratum: str,
    metric: str,
    value: float,
    n: int,
    *,
    scaled: float,
    ideal: float,
    note: str = "",
) -> Row:
    told = "; ".join(filter(None, [note, f"few cells: {n}" if n < FEW else ""]))
    return dict(zip(COLUMNS, (embedding, metric, stratum, value, scaled, ideal, n, told), strict=True))


def _distance_rows(name: str, points: Vector, question: Question) -> list[Row]:
    """Rows of silhouettes and connectivity, which are those of a sample among itself."""
    if not question.cell_type:
        return []
    chosen = sampled_cells(len(points), question.max_cells, question.seed)
    labels, points = question.labels.iloc[chosen].reset_index(drop=True), points[chosen]
    types = labels[question.cell_type]
    widths = silhouettes(points, types, labels[question.batch])
    joined = in_largest_component(nearest_graph(points, GRAPH_K), types)
    rows: list[Row] = []
    for stratum, mask in strata_of(labels, question.strata).items():
        held = types[mask].to_numpy()
        of_type = widths.loc[mask, "type"].dropna()
        of_batch = widths.loc[mask, "batch"].abs()
        mixed_types = of_batch.groupby(held).mean().dropna()
        width, apart = _mean(of_type), _mean(mixed_types)
        together = _mean(joined[mask].groupby(held).mean())
        told = f"{len(mixed_types)} of {pd.Series(held).nunique()} types with cells of several batches"
        counts = (len(of_type), int(of_batch.notna().sum()), int(joined[mask].notna().sum()))
        metric = f"silhouette_{question.batch}"
        rows += [
            _row(name, stratum, "silhouette_type", width, counts[0], scaled=(width + 1) / 2, ideal=1.0),
            _row(name, stratum, metric, apart, counts[1], scaled=1 - apart, ideal=0.0, note=told),
            _row(name, stratum, "graph_connectivity", together, counts[2], scaled=together, ideal=1.0),
        ]
    return rows


def _mean(values: pd.Series) -> float:
    return float(values.mean()) if len(values) else float("nan")


def variance_explained(points: Vector, labels: pd.Series) -> float:
    """Give the share of an embedding's variance that lies between labels: principal component regression.

    Regressing every principal component on the labels and weighing each R^2 by the component's variance
    (Buettner et al. 2019) adds up to the variance between the labels over all variance, whatever the axes.

    Parameters
    ----------
    points
        Embedding, cells x dimensions.
    labels
        Label of each cell; a missing value is a label of its own.

    Returns
    -------
    0 to 1; nan where there is one label or no variance.
    """
    codes, values = pd.factorize(labels, use_na_sentinel=False)
    centred = np.asarray(points - points.mean(axis=0), dtype=np.float64)
    total = float((centred**2).sum())
    if len(values) < 2 or not total:
        return float("nan")
    sums = pd.DataFrame(centred).groupby(codes).sum().to_numpy()
    return float((sums**2 / np.bincount(codes)[:, None]).sum() / total)


def _regression_rows(name: str, points: Vector, question: Question, first: pd.DataFrame | None) -> list[Row]:
    """Rows of the variance that batches explain; scaled, how much of it the correction took away."""
    rows = []
    metric, note = f"pc_regression_{question.batch}", "share of the variance between batches"
    for stratum, mask in strata_of(question.labels, question.strata).items():
        value = variance_explained(points[mask], question.labels[question.batch][mask])
        if np.isnan(value) and stratum != ALL:
            continue  # a stratum of one batch
        scaled, told = float("nan"), note
        if first is not None:
            before = float(first.loc[first["stratum"] == stratum, "value"].iloc[0])
            scaled, told = float(np.clip(1 - value / before, 0, 1)), f"{note}; scaled: its fall"
        n = int(mask.sum())
        rows.append(_row(name, stratum, metric, value, n, scaled=scaled, ideal=0.0, note=told))
    return rows


def graph_rows(name: str, graph: csr_matrix, question: Question) -> pd.DataFrame:
    """Measure a weighted graph of neighbours: what methods that give no embedding can be compared by.

    Parameters
    ----------
    name
        Name of the graph.
    graph
        Weights, cells x cells, as clustering takes them.
    question
        The labels; all cells are measured.

    Returns
    -------
    Rows as `measure_embeddings` gives them: `graph_lisi_<label>`, with the weights of a cell's neighbours in
    place of those by perplexity, and `graph_connectivity_all_cells`.
    """
    labels, rows = question.labels, []
    strata = strata_of(labels, question.strata)
    for label in labels.columns:
        values = graph_diversity(graph, labels[label])
        for stratum, mask in strata.items():
            inside = labels.loc[mask, label]
            kept = _of_labelled(values[mask], inside, question)
            row = _lisi_row(name, stratum, kept[~np.isnan(kept)], inside, question)
            rows.append({**row, "metric": f"graph_{row['metric']}"})
    if question.cell_type:
        types = labels[question.cell_type].reset_index(drop=True)
        joined = in_largest_component(graph, types)
        value, n = _mean(joined.groupby(types).mean()), int(types.notna().sum())
        rows.append(_row(name, ALL, "graph_connectivity_all_cells", value, n, scaled=value, ideal=1.0))
    return pd.DataFrame(rows, columns=list(COLUMNS))
