"""Where the cuts of quality lie within a sample, for each provisional lineage.

Cuts are set by the median absolute deviation (MAD, scaled by 1.4826 so that it equals the standard
deviation of normal data), as scater's `isOutlier` does (McCarthy et al., Bioinformatics 2017), among the
cells of one lineage: a neutrophil is compared with neutrophils, a tumour cell with tumour cells. Lineages of
few cells are judged with the whole sample. Guards keep real populations from being taken for outliers, and
dying cells from being taken for a population:

- cells of little RNA (neutrophils, PMN-MDSC, platelets): the lower cuts never rise above fixed bounds;
- red cells and Ter cells: few counts or genes are not held against a cell that is rich in haemoglobin;
- a cut of counts or genes beyond which lies more than a given share of the cells has caught a population, not
  outliers: it is not applied, and its note says so;
- the MAD of a few cells, or of values that are mostly equal, says nothing: only the fixed limits hold;
- dying cells raise the spread of the mitochondrial share: it is taken below the median, where they are not,
  and again without the cells above the cut;
- a lineage that mostly dies (its high share goes with a loss of other RNA) does not set its own cut of the
  mitochondrial share; one of stressed tumour cells (a high share, no loss) does;
- a cell whose lineage is unclear is not known to be of a lineage of little RNA: its lower cuts are stricter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.cells.cell_types import ERYTHROID
from stietime.cells.quality.metric_cuts import (
    ALL,
    NAN,
    Cut,
    Limits,
    depth_cut,
    described,
    is_empty,
    is_red_cell,
    lift,
    median_and_mad,
    mito_cut,
)
from stietime.names import PROVISIONAL_LINEAGE, UNCLEAR

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["ALL", "Cut", "Limits", "find_cuts", "is_empty", "is_red_cell", "lineages_of", "rows_of_cut"]

_DEPTH: Final = ("n_counts", "n_genes")
_DESCRIBED: Final = ("pct_ribo", "pct_hb", "pct_stress", "pct_top_genes", "complexity", "pct_intronic")
_LOSS_OF_RNA: Final = -0.3  # rank correlation of the mitochondrial share with other counts in a dying lineage
_MIN_CELLS_FOR_MEDIAN: Final = 10
_MAX_UNCLEAR: Final = 0.5
_UNCLEAR_MADS: Final = 0.8  # dying cells lose their markers first, so they are many among the unclear
_UNCLEAR_FOLD: Final = 8.0  # a cell of unclear lineage with this many times less than the median is no cell


def lineages_of(metrics: pd.DataFrame) -> NDArray[np.object_]:
    """Return the provisional lineage of each cell; `all` in metrics that have none."""
    if PROVISIONAL_LINEAGE not in metrics:
        return np.full(len(metrics), ALL, dtype=object)
    return metrics[PROVISIONAL_LINEAGE].to_numpy(dtype=object)


def rows_of_cut(cut: Cut, lineages: NDArray[np.object_], own: set[str]) -> Mask:
    """Say which cells a cut judges.

    Parameters
    ----------
    cut
        The cut.
    lineages
        Provisional lineage of each cell.
    own
        The lineages that have cuts of this metric of their own.
    """
    if cut.lineage != ALL:
        return np.asarray(lineages == cut.lineage)
    return ~np.isin(lineages, list(own))


def _mostly_dies(cells: pd.DataFrame, sample: Cut) -> bool:
    """Say whether most cells lie above the mitochondrial cut of the sample, with a loss of other RNA."""
    from scipy.stats import rankdata

    if not np.median(cells["pct_mito"]) > sample.upper:
        return False
    other = cells["n_counts"] * (100 - cells["pct_mito"])
    ranks = np.corrcoef(rankdata(cells["pct_mito"]), rankdata(other))
    return bool(ranks[0, 1] < _LOSS_OF_RNA)


def _columns(cells: pd.DataFrame) -> dict[str, Vector]:
    return {
        name: cells[name].to_numpy(dtype=np.float64)
        for name in (*_DEPTH, "pct_mito", *_DESCRIBED)
        if name in cells
    }


def _group_cuts(lineage: str, cells: pd.DataFrame, limits: Limits) -> dict[str, Cut]:
    """Find the cuts of the cells that are judged together, by metric."""
    columns, red_cells = _columns(cells), is_red_cell(cells, limits)
    bounds = {
        "n_counts": (limits.n_mads_counts, limits.max_lower_cut_counts),
        "n_genes": (limits.n_mads_genes, limits.max_lower_cut_genes),
    }
    cuts = {
        name: depth_cut(
            Cut(name, lineage), columns[name], red_cells, n_mads=n_mads, max_lower=most, limits=limits
        )
        for name, (n_mads, most) in bounds.items()
    }
    cuts["pct_mito"] = mito_cut(Cut("pct_mito", lineage), columns["pct_mito"], limits)
    for name in _DESCRIBED:
        if name in columns:
            cuts[name] = described(Cut(name, lineage, note="measured, never a filter"), columns[name])
    return cuts


def _own_cuts(lineage: str, cells: pd.DataFrame, sample: dict[str, Cut], limits: Limits) -> list[Cut]:
    """Find the cuts of one lineage; one that mostly dies takes the mitochondrial cut of the sample."""
    if len(cells) < limits.min_cells_for_mads:
        return _few_cells_cut(lineage, cells, sample["pct_mito"], limits)
    cuts = _group_cuts(lineage, cells, limits)
    if _mostly_dies(cells, sample["pct_mito"]):
        note = "the lineage mostly dies, with a loss of other RNA: judged with the whole sample"
        cuts["pct_mito"] = replace(cuts["pct_mito"], upper=sample["pct_mito"].upper, note=note)
    elif lineage == ERYTHROID and cuts["pct_mito"].upper < sample["pct_mito"].upper:
        note = "red cells have no mitochondria, erythroblasts do: the cut of the whole sample"
        cuts["pct_mito"] = replace(cuts["pct_mito"], upper=sample["pct_mito"].upper, note=note)
    return list(cuts.values())


def _few_cells_cut(lineage: str, cells: pd.DataFrame, sample: Cut, limits: Limits) -> list[Cut]:
    """Raise the mitochondrial cut of a lineage of few cells whose median is higher than that of the sample.

    The median of some ten cells is known well enough, their spread is not: the cut is that of the sample
    times the ratio of the medians. Without a rise the lineage has no cut of its own.
    """
    median = float(np.median(cells["pct_mito"]))
    rises = median > sample.median > 0 and sample.n_cells >= limits.min_cells_for_mads
    if len(cells) < _MIN_CELLS_FOR_MEDIAN or not rises or _mostly_dies(cells, sample):
        return []
    upper = min(sample.upper * median / sample.median, limits.pct_mito_ceiling)
    note = (
        f"{len(cells)} cells, fewer than {limits.min_cells_for_mads}: their median, the spread of the sample"
    )
    return [Cut("pct_mito", lineage, upper=upper, median=median, n_cells=len(cells), note=note)]


def _unclear_cut(sample: Cut, cells: pd.DataFrame, n_sample: int, limits: Limits) -> Cut:
    """Raise the lower cut of depth for cells that are not known to be of a lineage of little RNA."""
    values = cells[sample.metric].to_numpy(dtype=np.float64)
    most = {"n_counts": limits.max_lower_cut_counts, "n_genes": limits.max_lower_cut_genes}[sample.metric]
    lower = min(most, sample.median / _UNCLEAR_FOLD)
    median, mad = float(np.median(values)), median_and_mad(np.log1p(values))[1]
    note = "upper cut of the whole sample"
    cut = Cut(sample.metric, UNCLEAR, lower, sample.upper, median, mad, len(values), note)
    beyond = np.zeros(n_sample, dtype=bool)
    beyond[: (cut.below(values) & ~is_red_cell(cells, limits)).sum()] = True
    return lift(cut, "lower", beyond, limits)


def _unclear_mito_cut(sample: Cut, cells: pd.DataFrame, limits: Limits) -> list[Cut]:
    """Lower the mitochondrial cut for cells of unclear lineage: dying cells lose their markers first."""
    if np.isnan(sample.upper):
        return []
    upper = sample.median + _UNCLEAR_MADS * limits.n_mads_mito * sample.mad
    upper = float(np.clip(upper, limits.pct_mito_floor, limits.pct_mito_ceiling))
    median, mad = median_and_mad(cells["pct_mito"].to_numpy(dtype=np.float64))
    note = f"{_UNCLEAR_MADS:.0%} of the MADs of the whole sample: dying cells lose their markers"
    return [Cut("pct_mito", UNCLEAR, NAN, upper, median, mad, len(cells), note)]


def find_cuts(metrics: pd.DataFrame, limits: Limits) -> list[Cut]:
    """Find the cuts of one sample, for each provisional lineage.

    Parameters
    ----------
    metrics
        As `measures.measure` returns them, with `provisional_lineage`; without it the sample is judged as a
        whole.
    limits
        What decides the cuts.

    Returns
    -------
    One cut of `empty`; one each for n_counts, n_genes and pct_mito for the whole sample and for each
    lineage of enough cells; stricter lower cuts of counts and genes for cells of unclear lineage. Other
    metrics are described and never cut.
    """
    cells = metrics[~is_empty(metrics, limits)]
    lineages = lineages_of(cells)
    floors = (
        f"fewer than {limits.min_counts:g} counts, or fewer than {limits.min_genes:g} genes and less than "
        f"{limits.min_pct_hb_red_cell:g} % haemoglobin"
    )
    sample = _group_cuts(ALL, cells, limits)
    cuts = [Cut("empty", lower=limits.min_counts, n_cells=len(metrics), note=floors), *sample.values()]
    unclear = cells[lineages == UNCLEAR]
    # where most cells are unclear, the genes do not tell lineages, and a cell's lack of one says nothing
    if 0 < len(unclear) < _MAX_UNCLEAR * len(cells) and len(cells) >= limits.min_cells_for_mads:
        cuts += [_unclear_cut(sample[name], unclear, len(cells), limits) for name in _DEPTH]
        cuts += _unclear_mito_cut(sample["pct_mito"], unclear, limits)
    for lineage in sorted(set(lineages) - {UNCLEAR, ALL}):
        cuts += _own_cuts(lineage, cells[lineages == lineage], sample, limits)
    return cuts
