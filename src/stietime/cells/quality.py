"""Quality of cells: what is measured, and the one reason of a dropped cell."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.cuts import Cut, Limits, is_empty, is_red_cell
from stietime.cells.gene_families import in_family
from stietime.cells.normalisation import totals
from stietime.names import KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

# a cell that several cuts would drop gets the first of these as its reason
REASONS: Final = ("empty", "low_counts", "high_counts", "low_genes", "high_genes", "high_mito", "doublet")
# the reasons that the rows of the table of cuts count
_REASONS_OF_METRIC: Final = {
    "empty": ("empty",),
    "n_counts": ("low_counts", "high_counts"),
    "n_genes": ("low_genes", "high_genes"),
    "pct_mito": ("high_mito",),
    "doublet_score": ("doublet",),
}
CUT_COLUMNS: Final = ("sample", "metric", "lower", "upper", "median", "mad", "n_cells", "n_removed", "note")


def measure(counts: csr_matrix, genes: Iterable[str]) -> pd.DataFrame:
    """Measure the quality of every cell.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    genes
        Gene symbols, human or mouse.

    Returns
    -------
    One row per cell: n_genes, n_counts, and pct_mito, pct_ribo, pct_hb in percent of the cell's counts. A
    share is nan in every cell when no gene of its family is among the genes.
    """
    n_counts = totals(counts)
    n_genes = np.asarray((counts > 0).sum(axis=1)).ravel()
    shares = {
        f"pct_{name}": _percent(counts, in_family(genes, name), n_counts) for name in ("mito", "ribo", "hb")
    }
    return pd.DataFrame(
        {"n_genes": n_genes.astype(np.int64), "n_counts": n_counts.astype(np.int64), **shares}
    )


def _percent(
    counts: csr_matrix, members: NDArray[np.bool_], n_counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not members.any():
        return np.full(counts.shape[0], np.nan)
    part = counts @ members.astype(np.float64)
    return np.asarray(100 * np.divide(part, n_counts, out=np.zeros_like(part), where=n_counts > 0))


def find_reasons(
    metrics: pd.DataFrame, cuts: Iterable[Cut], limits: Limits, *, doublets: NDArray[np.bool_] | None = None
) -> NDArray[np.object_]:
    """Give every cell `kept`, or the first of `REASONS` that drops it.

    Parameters
    ----------
    metrics
        As `measure` returns them.
    cuts
        As `stietime.cells.cuts.find_cuts` returns them for the same cells.
    limits
        The limits that the cuts were found with.
    doublets
        Cells to drop as doublets, one boolean per cell; by default none.

    Returns
    -------
    One word per cell.
    """
    beyond = {"empty": is_empty(metrics, limits)}
    red_cells = is_red_cell(metrics, limits)
    for cut in cuts:
        if cut.metric in {"n_counts", "n_genes", "pct_mito"}:
            values = metrics[cut.metric].to_numpy(dtype=np.float64)
            name = cut.metric.split("_")[1]
            beyond[f"low_{name}"] = cut.below(values) & ~red_cells
            beyond[f"high_{name}"] = cut.above(values)
    if doublets is not None:
        beyond["doublet"] = doublets
    order = [reason for reason in REASONS if reason in beyond]
    return np.select([beyond[reason] for reason in order], order, default=KEPT).astype(object)


def cut_table(sample: str, cuts: Iterable[Cut], reasons: NDArray[np.object_]) -> pd.DataFrame:
    """Write the cuts of a sample as a table.

    Parameters
    ----------
    sample
        Name of the sample.
    cuts
        The cuts, that of `doublet_score` included.
    reasons
        The final reason of every cell.

    Returns
    -------
    One row per metric with `CUT_COLUMNS`; every dropped cell is counted in n_removed of exactly one row.
    """
    rows = []
    for cut in cuts:
        removed = int(np.isin(reasons, _REASONS_OF_METRIC.get(cut.metric, ())).sum())
        rows.append({"sample": sample, **asdict(cut), "n_removed": removed})
    return pd.DataFrame(rows, columns=list(CUT_COLUMNS))
