"""One cut: what it is, and where it lies among the values of cells that are judged together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]
    Mask = NDArray[np.bool_]

MAD_TO_SD: Final = 1.4826
NAN: Final = float("nan")
ALL: Final = "all"  # the whole sample, and the lineages too small to be judged alone
_MAX_RISE: Final = 1.2  # of a mitochondrial cut when both sides of the median are looked at
_CLIPS: Final = 5  # rounds of leaving out the cells above the cut; it settles within three


@dataclass(frozen=True)
class Limits:
    """What decides the cuts; see `stietime.settings.Quality` for the meaning of each.

    Parameters
    ----------
    n_mads_counts, n_mads_genes, n_mads_mito
        Number of scaled MADs from the median, on log(1 + x) for counts and genes.
    pct_mito_floor, pct_mito_ceiling
        The cut of the mitochondrial share lies between them, in percent.
    min_counts, min_genes
        Fixed floors; cells below are empty, and no median is taken over them.
    max_lower_cut_counts, max_lower_cut_genes
        The adaptive lower cuts are never set above these.
    min_pct_hb_red_cell
        From this share of haemoglobin on, few counts or genes are not held against a cell, in percent.
    max_outlier_fraction
        A cut of counts or genes that more than this share of the cells lies beyond is not applied.
    min_cells_for_mads
        A lineage with fewer cells is judged with the whole sample; in a smaller sample only the fixed floors
        and ceilings hold.
    """

    n_mads_counts: float = 5
    n_mads_genes: float = 5
    n_mads_mito: float = 5
    pct_mito_floor: float = 7
    pct_mito_ceiling: float = 50
    min_counts: float = 50
    min_genes: float = 20
    max_lower_cut_counts: float = 150
    max_lower_cut_genes: float = 100
    min_pct_hb_red_cell: float = 20
    max_outlier_fraction: float = 0.1
    min_cells_for_mads: int = 50


@dataclass(frozen=True)
class Cut:
    """Where the cuts of one metric lie for the cells of one lineage in one sample.

    Parameters
    ----------
    metric
        Column of the metrics; `empty` for the fixed floors.
    lineage
        The provisional lineage whose cells are cut; `all` for the whole sample, or for the lineages that have
        no cuts of their own.
    lower, upper
        A cell below `lower` or above `upper` is dropped, in the unit of the metric; nan where there is no
        cut.
    median
        Median over the cells that are not empty, in the unit of the metric.
    mad
        Scaled MAD; of log(1 + x) for counts and genes, in percent for shares.
    n_cells
        Number of cells the median is taken over.
    note
        What a reader must know: a guard that acted, a metric that was not measured.
    """

    metric: str
    lineage: str = ALL
    lower: float = NAN
    upper: float = NAN
    median: float = NAN
    mad: float = NAN
    n_cells: int = 0
    note: str = ""

    def below(self, values: Vector) -> Mask:
        """Say which values lie below the lower cut; none where there is no cut or no value."""
        return np.asarray(values < self.lower)

    def above(self, values: Vector) -> Mask:
        """Say which values lie above the upper cut; none where there is no cut or no value."""
        return np.asarray(values > self.upper)

    def with_note(self, note: str) -> Cut:
        """Return the cut with a further note."""
        return replace(self, note="; ".join(filter(None, (self.note, note))))


def median_and_mad(values: Vector) -> tuple[float, float]:
    """Return the median and the MAD, scaled by 1.4826 to the standard deviation of normal data."""
    median = float(np.median(values))
    return median, float(MAD_TO_SD * np.median(np.abs(values - median)))


def is_red_cell(metrics: pd.DataFrame, limits: Limits) -> Mask:
    """Say which cells are so rich in haemoglobin that few counts or genes are not held against them."""
    return (metrics["pct_hb"] >= limits.min_pct_hb_red_cell).to_numpy()


def is_empty(metrics: pd.DataFrame, limits: Limits) -> Mask:
    """Say which cells are empty: fewer counts than the floor, or fewer genes unless rich in haemoglobin."""
    few_genes = (metrics["n_genes"] < limits.min_genes) & ~is_red_cell(metrics, limits)
    return ((metrics["n_counts"] < limits.min_counts) | few_genes).to_numpy()


def depth_cut(
    cut: Cut, values: Vector, red_cells: Mask, *, n_mads: float, max_lower: float, limits: Limits
) -> Cut:
    """Find the cuts of counts or genes: median -/+ `n_mads` MADs of log(1 + x), under the guards.

    Parameters
    ----------
    cut
        The metric and the lineage.
    values
        Counts or genes of the cells that are judged together and not empty.
    red_cells
        Cells that the lower cut does not touch.
    n_mads
        Number of scaled MADs.
    max_lower
        The lower cut is never set above this.
    limits
        The smallest number of cells for a MAD, and the largest share of outliers.
    """
    n = len(values)
    cut = replace(cut, median=float(np.median(values)) if n else NAN, n_cells=n)
    if n < limits.min_cells_for_mads:
        return cut.with_note(f"no adaptive cut: {n} cells, fewer than {limits.min_cells_for_mads}")
    centre, mad = median_and_mad(np.log1p(values))
    cut = replace(cut, mad=mad)
    if mad == 0:
        return cut.with_note("no adaptive cut: most cells have the same value")
    lower, upper = np.expm1([centre - n_mads * mad, centre + n_mads * mad])
    cut = replace(cut, lower=min(max_lower, float(lower)), upper=float(upper))
    cut = lift(cut, "lower", cut.below(values) & ~red_cells, limits)
    return lift(cut, "upper", cut.above(values), limits)


def lift(cut: Cut, side: str, beyond: Mask, limits: Limits) -> Cut:
    """Lift one side of a cut when so many cells lie beyond it that they are a population."""
    if beyond.mean() <= limits.max_outlier_fraction:
        return cut
    note = (
        f"{side} cut at {getattr(cut, side):.0f} not applied: {beyond.sum()} cells ({beyond.mean():.0%}) "
        "lie beyond it, a population and not outliers"
    )
    lifted = replace(cut, lower=NAN) if side == "lower" else replace(cut, upper=NAN)
    return lifted.with_note(note)


def mito_cut(cut: Cut, values: Vector, limits: Limits) -> Cut:
    """Find the cut of the mitochondrial share: median + MADs, held between the floor and the ceiling.

    Parameters
    ----------
    cut
        The metric and the lineage.
    values
        Percent of the counts of the cells that are judged together and not empty; nan where there are no such
        genes.
    limits
        Number of MADs, floor, ceiling, and the smallest number of cells for a MAD.
    """
    cut = described(cut, values)
    if np.isnan(cut.median):
        return cut
    if len(values) < limits.min_cells_for_mads:
        note = f"only the fixed ceiling: {len(values)} cells, fewer than {limits.min_cells_for_mads}"
        return replace(cut, upper=limits.pct_mito_ceiling).with_note(note)
    least, most = limits.pct_mito_floor, limits.pct_mito_ceiling
    spread, upper = _lower_median_and_mad, most
    for _ in range(_CLIPS):
        if not (values <= upper).any():
            return replace(cut, upper=most).with_note("all cells lie above the ceiling")
        median, mad = spread(values[values <= upper])
        upper = float(np.clip(median + limits.n_mads_mito * mad, least, most))
        if cut.lineage != ALL and spread is _lower_median_and_mad:
            # a whole sample has lineages of a high share above its median, a lineage has not
            spread, most = median_and_mad, min(most, max(least, _MAX_RISE * upper))
    cut = replace(cut, upper=upper, median=median, mad=mad)
    bounds = {limits.pct_mito_floor: "floor", limits.pct_mito_ceiling: "ceiling"}
    return cut.with_note(f"held at the {bounds[upper]}") if upper in bounds else cut


def _lower_median_and_mad(values: Vector) -> tuple[float, float]:
    """Return the median and the scaled MAD of the values up to the median."""
    median = float(np.median(values))
    return median, float(MAD_TO_SD * np.median(median - values[values <= median]))


def described(cut: Cut, values: Vector) -> Cut:
    """Describe a metric by median and MAD without cutting it.

    Parameters
    ----------
    cut
        The metric, the lineage, and a note that is kept when the metric is measured.
    values
        Values of the cells that are not empty; nan where a cell has no value.
    """
    measured = values[~np.isnan(values)]
    if not len(values):
        return replace(cut, note="no cells")
    if not len(measured):
        return replace(cut, n_cells=len(values), note="not measured: the data hold no such genes")
    median, mad = median_and_mad(measured)
    return replace(cut, median=median, mad=mad, n_cells=len(measured))
