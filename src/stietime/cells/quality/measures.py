"""Quality of cells: what is measured, and the one reason of a dropped cell."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from stietime.cells.cell_sums import sum_largest, sum_sets
from stietime.cells.gene_families import in_family
from stietime.cells.quality.cuts import ALL, Cut, Limits, is_empty, is_red_cell, lineages_of, rows_of_cut
from stietime.names import KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float64]

# a cell that several cuts would drop gets the first of these as its reason
REASONS: Final = (
    "empty",
    "low_counts",
    "high_counts",
    "low_genes",
    "high_genes",
    "high_mito",
    "doublet",
    "sample_excluded",
)
# the reasons that the rows of the table of cuts count
_REASONS_OF_METRIC: Final = {
    "empty": ("empty",),
    "n_counts": ("low_counts", "high_counts"),
    "n_genes": ("low_genes", "high_genes"),
    "pct_mito": ("high_mito",),
    "doublet_score": ("doublet",),
    "sample": ("sample_excluded",),
}
_CUT_METRICS: Final = ("n_counts", "n_genes", "pct_mito")
CUT_COLUMNS: Final = (
    "sample",
    "lineage",
    "metric",
    "lower",
    "upper",
    "median",
    "mad",
    "n_cells",
    "n_removed",
    "note",
)
N_TOP_GENES: Final = 20
MIN_COUNTS_COMPLEXITY: Final = 10


def measure(
    counts: csr_matrix, genes: Iterable[str], *, pct_intronic: NDArray[np.float64] | None = None
) -> pd.DataFrame:
    """Measure the quality of every cell.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    genes
        Gene symbols, human or mouse.
    pct_intronic
        Percent of each cell's counts that come from introns, where the file tells.

    Returns
    -------
    One row per cell: n_genes, n_counts; pct_mito, pct_ribo, pct_hb and pct_stress in percent of the cell's
    counts, nan in every cell when no gene of the family is among the genes; pct_top_genes, the percent of the
    counts that the cell's 20 most counted genes hold, nan in cells of fewer than 20 genes; complexity,
    log10(n_genes) / log10(n_counts), nan below 10 counts; pct_intronic, nan when not given.
    """
    symbols = list(genes)
    families = {name: in_family(symbols, name) for name in ("mito", "ribo", "hb", "stress")}
    everything = np.ones(len(symbols), dtype=bool)
    # stored zeros are not genes
    parts, shown = sum_sets(counts, np.stack([*families.values(), everything], axis=1))
    n_counts, n_genes = parts[:, -1], shown[:, -1]
    shares = {
        f"pct_{name}": _percent(parts[:, place], n_counts)
        if members.any()
        else np.full(len(n_counts), np.nan)
        for place, (name, members) in enumerate(families.items())
    }
    return pd.DataFrame(
        {
            "n_genes": n_genes,
            "n_counts": n_counts.astype(np.int64),
            **shares,
            "pct_top_genes": _percent_top_genes(counts, n_counts, n_genes),
            "complexity": _complexity(n_genes, n_counts),
            "pct_intronic": np.full(len(n_counts), np.nan) if pct_intronic is None else pct_intronic,
        }
    )


def _percent(part: Floats, n_counts: Floats) -> Floats:
    return np.asarray(100 * np.divide(part, n_counts, out=np.zeros_like(part), where=n_counts > 0))


def _percent_top_genes(counts: csr_matrix, n_counts: Floats, n_genes: NDArray[np.integer]) -> Floats:
    top = np.where(n_genes >= N_TOP_GENES, sum_largest(counts, N_TOP_GENES), np.nan)
    return np.asarray(100 * top / np.maximum(n_counts, 1))


def _complexity(n_genes: NDArray[np.integer], n_counts: Floats) -> Floats:
    found = np.full(len(n_counts), np.nan)
    enough = n_counts >= MIN_COUNTS_COMPLEXITY
    found[enough] = np.log10(n_genes[enough]) / np.log10(n_counts[enough])
    return found


def find_reasons(
    metrics: pd.DataFrame, cuts: Sequence[Cut], limits: Limits, *, doublets: Mask | None = None
) -> NDArray[np.object_]:
    """Give every cell `kept`, or the first of `REASONS` that drops it.

    Parameters
    ----------
    metrics
        As `measure` returns them, with `provisional_lineage` if the cuts were found with it.
    cuts
        As `stietime.cells.quality.cuts.find_cuts` returns them for the same cells.
    limits
        The limits that the cuts were found with.
    doublets
        Cells to drop as doublets, one boolean per cell; by default none.

    Returns
    -------
    One word per cell; never `sample_excluded`, which is no property of a cell.
    """
    beyond = {reason: np.zeros(len(metrics), dtype=bool) for reason in REASONS}
    beyond["empty"] = is_empty(metrics, limits)
    red_cells, lineages = is_red_cell(metrics, limits), lineages_of(metrics)
    for metric in _CUT_METRICS:
        values = metrics[metric].to_numpy(dtype=np.float64)
        name = metric.split("_")[1]
        for cut, rows in _judged(cuts, metric, lineages):
            if name != "mito":
                beyond[f"low_{name}"] |= rows & cut.below(values) & ~red_cells
            beyond[f"high_{name}"] |= rows & cut.above(values)
    if doublets is not None:
        beyond["doublet"] = doublets
    return np.select(list(beyond.values()), list(beyond), default=KEPT).astype(object)


def _judged(cuts: Sequence[Cut], metric: str, lineages: NDArray[np.object_]) -> list[tuple[Cut, Mask]]:
    """Pair the cuts of a metric with the cells they judge; every cell is judged by one."""
    here = [cut for cut in cuts if cut.metric == metric]
    own = {cut.lineage for cut in here} - {ALL}
    return [(cut, rows_of_cut(cut, lineages, own)) for cut in here]


def cut_table(
    sample: str,
    cuts: Sequence[Cut],
    reasons: NDArray[np.object_],
    lineages: NDArray[np.object_] | None = None,
) -> pd.DataFrame:
    """Write the cuts of a sample as a table.

    Parameters
    ----------
    sample
        Name of the sample.
    cuts
        The cuts, that of `doublet_score` included.
    reasons
        The final reason of every cell.
    lineages
        The provisional lineage of every cell; needed when cuts are of lineages.

    Returns
    -------
    One row per metric and lineage with `CUT_COLUMNS`; every dropped cell is counted in n_removed of exactly
    one row. A sample that is excluded gets a row of the metric `sample`.
    """
    of_cells = np.full(len(reasons), ALL, dtype=object) if lineages is None else lineages
    listed = list(cuts)
    if (reasons == REASONS[-1]).any():
        listed.append(Cut("sample", n_cells=len(reasons), note="the sample is excluded: see its verdict"))
    rows = []
    for metric in dict.fromkeys(cut.metric for cut in listed):
        removed = np.isin(reasons, _REASONS_OF_METRIC.get(metric, ()))
        for cut, judged in _judged(listed, metric, of_cells):
            rows.append({"sample": sample, **asdict(cut), "n_removed": int((removed & judged).sum())})
    return pd.DataFrame(rows, columns=list(CUT_COLUMNS))
