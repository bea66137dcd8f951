"""Cell types by marker sets: clear cells first, then profiles learned from them, then the cluster's support.

A marker score alone is swayed by shared and by ambient genes. So it only finds the cells it is sure of. How
much of each marker gene every type really has in these data is learned from those cells, and all cells are
judged by the likelihood of their counts (a naive Bayes classifier with negative binomial counts).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.cells.cell_types import (
    LINEAGE_OF,
    LINEAGES,
    SETS,
    SETS_READ,
    supporting_genes,
    without_lineage_genes,
)
from stietime.cells.classify import MarkerCounts, Probabilities, classify, divide_t_cells, lean_on_clusters
from stietime.cells.clear_cells import MIN_COVERAGE, find_clear_cells
from stietime.cells.marker_sets import match_marker_sets, positions
from stietime.names import CELL_TYPE, CONFIDENCE, LINEAGE, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

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
    *,
    min_margin: float = 0.15,
    min_confidence: float = 0.5,
    cluster_weight: float = 0.5,
) -> pd.DataFrame:
    """Give every cell a lineage and a cell type.

    1. Cells whose marker score leads clearly are found (`find_clear_cells`).
    2. Profiles of their types are learned, and all cells are judged by the likelihood of their counts
       (`classify`).
    3. Undecided cells are drawn towards their cluster (`lean_on_clusters`).
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
        Cluster of each cell; left out, each cell stands alone.
    min_margin
        Lead of the marker score, from 0 to 1, with which a cell counts as clear.
    min_confidence
        A cell whose lineage is less probable is `unknown`.
    cluster_weight
        Weight of the cluster against an undecided cell.

    Returns
    -------
    One row per cell: lineage, cell_type, cell_type_confidence (probability of the type; of an unknown cell,
    that no type is right), runner_up (second type), evidence (up to five detected genes that speak for the
    lineage, the most abundant first, comma-separated).
    """
    sets = match_marker_sets(without_lineage_genes(markers), data.genes, list(SETS), weighted=True)
    clear = find_clear_cells(
        data.counts[:, positions(data.genes, sets.genes)], data.totals, sets, min_margin=min_margin
    )
    found = classify(data, sets, clear)
    if clusters is not None:
        found = lean_on_clusters(found, clusters, cluster_weight)
    found = divide_t_cells(found, data, markers)
    supports = supporting_genes(markers, list(data.genes))
    lineage = _choose_lineages(found, data, supports, min_confidence)
    return _table(found, lineage, _evidence(data, supports, lineage))


def _belongs(found: Probabilities) -> NDArray[np.bool_]:
    """Types x lineages, unknown last."""
    lineages = np.array([LINEAGE_OF.get(kind, UNKNOWN) for kind in found.types])
    return np.asarray(lineages[:, None] == np.array([*LINEAGES, UNKNOWN])[None, :])


def _choose_lineages(
    found: Probabilities, data: MarkerCounts, supports: NDArray[np.bool_], min_confidence: float
) -> NDArray[np.intp]:
    """Position of each cell's lineage in `LINEAGES`; for an unknown cell the number of lineages."""
    probability = found.matrix @ _belongs(found).astype(np.float64)
    best = probability.argmax(axis=1)
    shown = (data.counts > 0).astype(np.float64) @ supports.T.astype(np.float64)
    n_shown = np.column_stack([shown, np.zeros(len(best))])[np.arange(len(best)), best]
    return np.where((probability.max(axis=1) < min_confidence) | (n_shown == 0), len(LINEAGES), best)


def _table(found: Probabilities, lineage: NDArray[np.intp], evidence: NDArray[np.object_]) -> pd.DataFrame:
    cells = np.arange(len(lineage))
    values, types = found.matrix, np.array(found.types, dtype=object)
    unknown = lineage == len(LINEAGES)
    within = np.where(_belongs(found).T[lineage], values, -1)
    first = np.where(unknown, len(types) - 1, within.argmax(axis=1))
    others = values.copy()
    others[cells, first] = -1
    others[:, -1] = -1  # being unknown is no second choice
    no_type = 1 - values[:, :-1].max(axis=1, initial=0)
    return pd.DataFrame(
        {
            LINEAGE: np.array([*LINEAGES, UNKNOWN], dtype=object)[lineage],
            CELL_TYPE: types[first],
            CONFIDENCE: np.where(unknown, no_type, values[cells, first]),
            "runner_up": types[others.argmax(axis=1)],
            "evidence": evidence,
        }
    )


def _evidence(
    data: MarkerCounts, supports: NDArray[np.bool_], lineage: NDArray[np.intp]
) -> NDArray[np.object_]:
    """Name up to five detected genes that speak for the lineage of each cell, the most abundant first."""
    evidence = np.full(len(lineage), "", dtype=object)
    for code in np.unique(lineage[lineage < len(LINEAGES)]):
        cells = np.flatnonzero(lineage == code)
        genes = data.genes.to_numpy(dtype=object)[supports[code]]
        counts = sparse.csr_matrix(data.counts[cells][:, supports[code]])
        for cell, start, stop in zip(cells, counts.indptr[:-1], counts.indptr[1:], strict=True):
            order = np.argsort(-counts.data[start:stop], kind="stable")[:N_EVIDENCE]
            evidence[cell] = ",".join(genes[counts.indices[start:stop][order]])
    return evidence
