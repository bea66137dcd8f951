"""Cell types by marker sets: clear cells first, then profiles learned from them, then the cluster's support.

A marker score alone is swayed by shared and by ambient genes. So it only finds the cells it is sure of. How
much of each marker gene every type really has in these data is learned from those cells, and all cells are
judged by the likelihood of their counts (a naive Bayes classifier with negative binomial counts).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.cell_types import (
    LINEAGE_OF,
    LINEAGES,
    MIN_COVERAGE,
    SETS,
    SETS_READ,
    supporting_genes,
    without_lineage_genes,
)
from stietime.cells.count_kernels import most_abundant
from stietime.cells.marker_sets import match_marker_sets, positions
from stietime.cells.types.classify import (
    MarkerCounts,
    Probabilities,
    classify,
    divide_t_cells,
    pieces,
)
from stietime.cells.types.clear_cells import find_clear_cells
from stietime.cells.types.surroundings import lean_on_clusters, lean_on_neighbours
from stietime.names import CELL_TYPE, CONFIDENCE, LINEAGE, LINEAGE_CONFIDENCE, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

N_EVIDENCE: Final = 5


def lineage_genes(markers: pd.DataFrame, genes: Iterable[str]) -> list[str]:
    """Name the genes of a dataset that cell types are told by.

    Parameters
    ----------
    markers
        The marker table.
    genes
        Gene symbols of the dataset.
    """
    wanted = set(markers.loc[markers["set_id"].isin(SETS_READ), "gene"])
    return [gene for gene in genes if gene in wanted]


def lineages_without_genes(markers: pd.DataFrame, genes: Iterable[str]) -> list[str]:
    """Name the lineages that cannot be told, as too few of their marker genes are in the data.

    Parameters
    ----------
    markers
        The marker table.
    genes
        Gene symbols of the dataset.
    """
    sets = match_marker_sets(markers, genes, list(SETS))
    enough = (sets.coverage["coverage"] >= MIN_COVERAGE).to_numpy()
    told = {SETS[name][1] for name in sets.set_ids[enough]}
    return [lineage for lineage in LINEAGES if lineage not in told]


def annotate_cells(
    data: MarkerCounts,
    markers: pd.DataFrame,
    clusters: Sequence[str] | None = None,
    graph: csr_matrix | None = None,
    *,
    min_margin: float = 0.15,
    min_confidence: float = 0.5,
    neighbour_weight: float = 0.5,
    cluster_weight: float = 0.5,
    n_threads: int = 1,
) -> pd.DataFrame:
    """Give every cell a lineage and a cell type.

    1. Cells whose marker score leads clearly are found (`find_clear_cells`).
    2. Profiles of their types are learned, and all cells are judged by the likelihood of their counts
       (`classify`).
    3. Undecided cells are drawn towards their neighbours, then towards their cluster (`surroundings`).
    4. T cells are divided into CD4 and CD8 (`divide_t_cells`).

    A cell whose lineage is less probable than `min_confidence`, or that shows no gene that speaks for it, is
    unknown.

    Parameters
    ----------
    data
        Counts of the marker genes (`lineage_genes`).
    markers
        The marker table: set_id, parent, direction, gene, weight.
    clusters
        Cluster of each cell; left out, no cell leans on a cluster.
    graph
        Weights between neighbours, cells x cells; left out, no cell leans on its neighbours.
    min_margin
        Lead of the marker score, from 0 to 1, with which a cell counts as clear.
    min_confidence
        A cell whose lineage is less probable is `unknown`.
    neighbour_weight, cluster_weight
        Weight of the neighbours and of the cluster against an undecided cell.
    n_threads
        Threads; the result does not depend on them.

    Returns
    -------
    One row per cell: lineage, lineage_confidence (probability of the most probable lineage), cell_type,
    cell_type_confidence (probability of the type; of an unknown cell,
    that no type is right), runner_up (second type), evidence (up to five detected genes that speak for the
    lineage, the most abundant first, comma-separated).
    """
    sets = match_marker_sets(without_lineage_genes(markers), data.genes, list(SETS), weighted=True)
    columns = positions(data.genes, sets.genes)
    clear = [
        find_clear_cells(data.counts[some][:, columns], data.totals[some], sets, min_margin=min_margin)
        for some in pieces(len(data.totals))
    ]
    found = classify(data, sets, np.concatenate(clear), n_threads=n_threads)
    if graph is not None:
        found = lean_on_neighbours(found, graph, neighbour_weight)
    if clusters is not None:
        found = lean_on_clusters(found, clusters, cluster_weight)
    found = divide_t_cells(found, data, markers, n_threads=n_threads)
    lineage, sure, shown = _choose_lineages(
        found, data, supporting_genes(markers, list(data.genes)), min_confidence
    )
    return _table(found, lineage, sure, _name_genes(shown, data.genes))


def _belongs(found: Probabilities) -> NDArray[np.bool_]:
    """Types x lineages, unknown last."""
    lineages = np.array([LINEAGE_OF.get(kind, UNKNOWN) for kind in found.types])
    return np.asarray(lineages[:, None] == np.array([*LINEAGES, UNKNOWN])[None, :])


def _choose_lineages(
    found: Probabilities, data: MarkerCounts, supports: NDArray[np.bool_], min_confidence: float
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    """Choose the lineage of each cell.

    Returns
    -------
    Its position in `LINEAGES`, for an unknown cell the number of lineages; its probability, of an unknown
    cell that of the most probable lineage; and the genes that speak for it, cells x `N_EVIDENCE`, -1 where
    there are fewer.
    """
    belongs = _belongs(found).astype(np.float64)
    best, highest = np.empty(len(data.totals), dtype=np.intp), np.empty(len(data.totals))
    for some in pieces(len(best)):
        probability = found.matrix[some] @ belongs
        best[some], highest[some] = probability.argmax(axis=1), probability.max(axis=1)
    shown = np.empty((len(best), N_EVIDENCE), dtype=np.intp)
    wanted = np.vstack([supports, np.zeros((1, supports.shape[1]), dtype=bool)])
    most_abundant((data.counts.indptr, data.counts.indices, data.counts.data), best, wanted, shown)
    unknown = (highest < min_confidence) | (shown[:, 0] < 0)
    shown[unknown] = -1
    return np.where(unknown, len(LINEAGES), best), highest, shown


def _table(
    found: Probabilities,
    lineage: NDArray[np.intp],
    sure: NDArray[np.float64],
    evidence: NDArray[np.object_],
) -> pd.DataFrame:
    types = np.array(found.types, dtype=object)
    chosen = [_choose_types(found, lineage, some) for some in pieces(len(lineage))]
    first, confidence, second = (np.concatenate(parts) for parts in zip(*chosen, strict=True))
    return pd.DataFrame(
        {
            LINEAGE: np.array([*LINEAGES, UNKNOWN], dtype=object)[lineage],
            LINEAGE_CONFIDENCE: sure,
            CELL_TYPE: types[first],
            CONFIDENCE: confidence,
            "runner_up": types[second],
            "evidence": evidence,
        }
    )


def _choose_types(
    found: Probabilities, lineage: NDArray[np.intp], some: slice
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    """Choose the type of some cells within their lineage, how sure it is, and the second type of all."""
    values, within = found.matrix[some], _belongs(found).T[lineage[some]]
    cells, unknown = np.arange(len(values)), lineage[some] == len(LINEAGES)
    first = np.where(unknown, len(found.types) - 1, np.where(within, values, -1).argmax(axis=1))
    others = values.copy()
    others[cells, first] = -1
    others[:, -1] = -1  # being unknown is no second choice
    no_type = 1 - values[:, :-1].max(axis=1, initial=0)
    return first, np.where(unknown, no_type, values[cells, first]), others.argmax(axis=1)


def _name_genes(shown: NDArray[np.intp], genes: pd.Index) -> NDArray[np.object_]:
    """Write the genes of each cell out; cells with the same genes share the text."""
    code = np.zeros(len(shown), dtype=np.int64)
    for column in shown.T:
        code, _ = pd.factorize(code * (len(genes) + 1) + column + 1)
    first, symbols = np.unique(code, return_index=True)[1], genes.to_numpy(dtype=object)
    texts = [",".join(symbols[row[row >= 0]]) for row in shown[first]]
    return np.array(texts, dtype=object)[code]
