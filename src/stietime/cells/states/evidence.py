"""What the calls of a state rest on: its genes in called and other cells, and cells as examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.normalisation import TARGET_COUNTS
from stietime.names import CELL, ENVIRONMENT

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.states.calls import StateCall
    from stietime.cells.states.rules import StateGenes

    Floats = NDArray[np.float64]

CALLED: Final = "called"
NEAREST: Final = "not called"
N_EXAMPLES: Final = 3
N_GENES_SHOWN: Final = 8
GENE_COLUMNS: Final = (
    *("state", "gene", "direction", ENVIRONMENT, "group", "n_cells", "share_detected"),
    "mean_per_10000",
)
EXAMPLE_COLUMNS: Final = ("state", ENVIRONMENT, "group", CELL, "evidence", "n_counts", "genes")


def describe_genes(
    counts: csr_matrix, totals: Floats, genes: StateGenes, called: NDArray[np.bool_], environment: pd.Index
) -> pd.DataFrame:
    """Describe the genes of a state in the called and the other cells of its parent, by environment.

    Parameters
    ----------
    counts
        Cells of the parent x the genes of the state, in the order of `genes`.
    totals
        Counts of each cell over all genes.
    genes
        The informative genes of the state.
    called
        Whether each cell is called.
    environment
        Environment of each cell.

    Returns
    -------
    One row per gene, environment and group (called, not called): gene, direction, environment, group,
    n_cells, share_detected, mean_per_10000 (summed counts over summed totals).
    """
    group = np.where(called, CALLED, NEAREST)
    rows = []
    for (where, name), cells in pd.Series(range(len(group))).groupby([environment.to_numpy(), group]):
        chosen = cells.to_numpy()
        part = counts[chosen]
        shares = np.asarray((part > 0).sum(axis=0)).ravel() / len(chosen)
        means = TARGET_COUNTS * np.asarray(part.sum(axis=0)).ravel() / max(float(totals[chosen].sum()), 1.0)
        rows.append(
            pd.DataFrame(
                {
                    "gene": genes.genes,
                    "direction": np.where(np.array(genes.weights) > 0, "positive", "negative"),
                    ENVIRONMENT: where,
                    "group": name,
                    "n_cells": len(chosen),
                    "share_detected": shares,
                    "mean_per_10000": means,
                }
            )
        )
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(GENE_COLUMNS[1:]))


def example_cells(
    cells: pd.Index,
    counts: csr_matrix,
    totals: Floats,
    genes: StateGenes,
    call: StateCall,
    environment: pd.Index,
) -> pd.DataFrame:
    """Choose cells as examples: those with the most evidence, and those that come next to being called.

    Parameters
    ----------
    cells
        Names of the parent's cells.
    counts, totals, genes, environment
        As in `describe_genes`.
    call
        The call of the state.

    Returns
    -------
    Up to three rows per environment and group: environment, group, cell, evidence, n_counts, genes (the
    genes of the state that the cell shows, with their counts, the most first).
    """
    order = np.lexsort((cells.to_numpy(dtype=str), -call.evidence))
    group = np.where(call.called, CALLED, NEAREST)
    keys = [environment.to_numpy()[order], group[order]]
    first = pd.Series(order).groupby(keys).head(N_EXAMPLES).to_numpy()
    frame = pd.DataFrame(
        {
            ENVIRONMENT: environment[first],
            "group": group[first],
            CELL: cells[first],
            "evidence": call.evidence[first].round(2),
            "n_counts": totals[first].astype(np.int64),
            "genes": [_shown(counts[[row]], genes) for row in first],
        }
    )
    return frame.sort_values([ENVIRONMENT, "group"], kind="stable", ignore_index=True)


def _shown(counts: csr_matrix, genes: StateGenes) -> str:
    """Write the genes that one cell shows, such as `GZMK 12, EOMES 2`."""
    values = counts.toarray().ravel()
    order = [place for place in np.argsort(-values, kind="stable")[:N_GENES_SHOWN] if values[place] > 0]
    return ", ".join(f"{genes.genes[place]} {values[place]:g}" for place in order)
