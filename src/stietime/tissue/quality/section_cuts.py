"""Where the cuts of quality lie within a section.

Cuts are set by the median absolute deviation (MAD, scaled by 1.4826 to the standard deviation of normal data)
of logarithms, and held between bounds. A panel of some hundred genes has few counts in good cells: its bounds
lie lower than those of a method that measures all genes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import binom, false_discovery_control

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

MAD_TO_SD: Final = 1.4826
NAN: Final = float("nan")
N_ROUNDS: Final = 5  # of the rate of control probes; it settles in two or three
PANEL_GENES: Final = 10_000  # a section with fewer genes was measured with a panel
NOT_MEASURED: Final = {
    "n_counts": "the section has cell types and no counts",
    "n_genes": "the section has cell types and no counts",
    "n_negative": "the file has no control probes",
    "pct_negative": "the file has no control probes",
    "area_um2": "the file has no areas of cells",
    "counts_per_100um2": "this needs counts and areas of cells",
    "nucleus_ratio": "the file has no areas of nuclei",
    "pct_mito": "too few mitochondrial genes are among the genes",
}
NEED_COUNTS: Final = ("no_counts", "n_counts", "n_genes", "pct_negative", "counts_per_100um2", "pct_mito")


@dataclass(frozen=True)
class SectionLimits:
    """What decides the cuts of a section.

    Parameters
    ----------
    n_mads
        Number of scaled MADs from the median of the logarithm, for counts and areas.
    max_outlier_fraction
        A cut of counts or areas that more than this share of the cells lies beyond is not applied.
    min_cells_for_mads
        With fewer cells, only the fixed bounds hold.
    min_counts
        The lower cut of counts is never below: half of the 10 that is usual for panels.
    max_lower_cut_counts, max_lower_cut_panel
        The lower cut of counts is never above, in sections of all genes and of a panel: small lymphocytes
        and neutrophils have 20 to 50 counts on a panel.
    min_area_cut_um2, max_area_cut_um2
        The upper cut of areas lies between: a disc of 400 is 23 um wide, as large macrophages are, one of
        5,000 is 80 um wide.
    max_density_ratio
        A large area is held against a cell only when its counts per area are below this share of the median:
        giant cells are full of RNA, merged or spilt segments are not.
    pct_negative_floor
        Control probes are held against a cell from this share of its counts on, in percent, and only
    negative_fdr, min_negative_counts
        at this false discovery rate against the share of the section, and from this number of counts on.
    """

    n_mads: float = 5
    max_outlier_fraction: float = 0.1
    min_cells_for_mads: int = 50
    min_counts: float = 5
    max_lower_cut_counts: float = 150
    max_lower_cut_panel: float = 20
    min_area_cut_um2: float = 400
    max_area_cut_um2: float = 5_000
    max_density_ratio: float = 0.5
    pct_negative_floor: float = 10
    negative_fdr: float = 0.01
    min_negative_counts: int = 3


@dataclass(frozen=True)
class SectionCut:
    """Where the cuts of one metric lie in a section.

    Parameters
    ----------
    metric
        Column of the metrics; `no_counts` for the fixed floor of one count.
    lower, upper
        A cell below or above may be dropped, in the unit of the metric; nan where there is no cut.
    median
        Median of the cells that are measured, in the unit of the metric.
    mad
        Scaled MAD; of the logarithm for counts and areas.
    n_cells
        Number of cells that are measured.
    note
        What a reader must know: a guard that acted, why it was not measured, that it is never a filter.
    """

    metric: str
    lower: float = NAN
    upper: float = NAN
    median: float = NAN
    mad: float = NAN
    n_cells: int = 0
    note: str = ""


def _median_and_mad(values: Floats) -> tuple[float, float]:
    median = float(np.median(values))
    return median, float(MAD_TO_SD * np.median(np.abs(values - median)))


def find_section_cuts(
    metrics: pd.DataFrame, limits: SectionLimits, *, n_genes: int = 0, n_negative_probes: int = 0
) -> list[SectionCut]:
    """Find the cuts of a section.

    Parameters
    ----------
    metrics
        As `stietime.tissue.quality.section_quality.measure_section` returns them.
    limits
        What decides the cuts.
    n_genes
        Number of genes of the section; 0 when it is not known, which is taken for a panel.
    n_negative_probes
        Number of control probes, for the note on what they say of false counts; 0 when it is not known.

    Returns
    -------
    One each for no_counts, n_counts, area_um2 and pct_negative, then those that are described and never cut:
    n_genes, counts_per_100um2, nucleus_ratio, pct_mito.
    """
    values = {name: metrics[name].to_numpy(dtype=np.float64) for name in metrics.columns}
    counted = values["n_counts"][values["n_counts"] > 0]
    most = limits.max_lower_cut_counts
    if n_genes < PANEL_GENES:
        most = min(most, limits.max_lower_cut_panel)
    has_counts = bool(np.isfinite(values["n_counts"]).any())
    cuts = [
        SectionCut("no_counts", lower=1.0, n_cells=len(metrics)),
        _counts_cut(counted, most, limits),
        _area_cut(metrics, limits),
        _negative_cut(metrics, limits, n_genes, n_negative_probes),
        *(
            _described(name, values[name], "measured, never a filter")
            for name in ("n_genes", "counts_per_100um2", "nucleus_ratio", "pct_mito")
        ),
    ]
    if has_counts:
        return cuts
    note = f"not measured: {NOT_MEASURED['n_counts']}"
    return [SectionCut(cut.metric, note=note) if cut.metric in NEED_COUNTS else cut for cut in cuts]


def _described(metric: str, values: Floats, note: str = "") -> SectionCut:
    known = values[np.isfinite(values)]
    if not len(known):
        return SectionCut(metric, note=f"not measured: {NOT_MEASURED[metric]}")
    return SectionCut(metric, median=float(np.median(known)), n_cells=len(known), note=note)


def _with_note(cut: SectionCut, note: str) -> SectionCut:
    return replace(cut, note="; ".join(filter(None, (cut.note, note))))


def _counts_cut(counted: Floats, most: float, limits: SectionLimits) -> SectionCut:
    """Find the lower cut of counts among the cells that have any."""
    cut = _described("n_counts", counted)
    if not len(counted):
        return cut
    floor = replace(cut, lower=limits.min_counts)
    if len(counted) < limits.min_cells_for_mads:
        note = f"only the fixed floor: {len(counted)} cells, fewer than {limits.min_cells_for_mads}"
        return _unless_many(_with_note(floor, note), "lower", counted < floor.lower, limits)
    centre, mad = _median_and_mad(np.log1p(counted))
    lower = np.clip(np.expm1(centre - limits.n_mads * mad), floor.lower, max(most, floor.lower))
    found = _unless_many(replace(cut, mad=mad, lower=float(lower)), "lower", counted < lower, limits)
    if np.isfinite(found.lower):
        return found
    return _unless_many(replace(found, lower=floor.lower), "lower", counted < floor.lower, limits)


def _unless_many(cut: SectionCut, side: str, beyond: Mask, limits: SectionLimits) -> SectionCut:
    """Lift a cut when so many cells lie beyond it that they are a population or a sparse method."""
    share = float(beyond.mean())
    if share <= limits.max_outlier_fraction:
        return cut
    note = f"cut at {getattr(cut, side):.4g} not applied: {beyond.sum()} cells ({share:.0%}) lie beyond it"
    lifted = replace(cut, lower=NAN) if side == "lower" else replace(cut, upper=NAN)
    return _with_note(lifted, note)


def _area_cut(metrics: pd.DataFrame, limits: SectionLimits) -> SectionCut:
    """Find the upper cut of areas, which is held only against cells of few counts per area."""
    area = metrics["area_um2"].to_numpy(dtype=np.float64)
    cut = _described("area_um2", area)
    if not cut.n_cells:
        return cut
    if cut.n_cells < len(area):
        cut = _with_note(cut, f"{len(area) - cut.n_cells} cells have no area")
    if not np.isfinite(metrics["counts_per_100um2"]).any():
        return _with_note(cut, "never a filter without counts")
    upper = limits.max_area_cut_um2
    if cut.n_cells >= limits.min_cells_for_mads:
        centre, mad = _median_and_mad(np.log(area[np.isfinite(area)]))
        cut = replace(cut, mad=mad)
        upper = float(
            np.clip(np.exp(centre + limits.n_mads * mad), limits.min_area_cut_um2, limits.max_area_cut_um2)
        )
    note = f"held against cells below {limits.max_density_ratio:g} times the median of counts per area"
    cut = _with_note(replace(cut, upper=upper), note)
    return _unless_many(cut, "upper", is_spilt(metrics, upper, limits), limits)


def is_spilt(metrics: pd.DataFrame, upper: float, limits: SectionLimits) -> Mask:
    """Say which cells are larger than the cut and poor in counts for their size.

    Parameters
    ----------
    metrics
        As `stietime.tissue.quality.section_quality.measure_section` returns them.
    upper
        The cut of areas; nan when none is held.
    limits
        What makes a cell poor in counts.
    """
    density = metrics["counts_per_100um2"].to_numpy(dtype=np.float64)
    known = density[np.isfinite(density)]
    if not len(known):
        return np.zeros(len(density), dtype=bool)
    poor = density < limits.max_density_ratio * np.median(known)
    return np.asarray((metrics["area_um2"].to_numpy(dtype=np.float64) > upper) & poor)


def _negative_cut(
    metrics: pd.DataFrame, limits: SectionLimits, n_genes: int, n_negative_probes: int
) -> SectionCut:
    share = metrics["pct_negative"].to_numpy(dtype=np.float64)
    cut = _described("pct_negative", share)
    if not cut.n_cells:
        return cut
    negative, counts = float(metrics["n_negative"].sum()), float(metrics["n_counts"].sum())
    whole = negative / max(negative + counts, 1)
    note = f"{whole:.2%} of all counts; held against cells surely above the section's share"
    if n_genes and n_negative_probes and counts:
        ratio = (negative / n_negative_probes) / (counts / n_genes)
        note += f"; one of {n_negative_probes} control probes has {ratio:.1%} of the counts of a gene"
    return _with_note(replace(cut, upper=limits.pct_negative_floor), note)


def has_many_controls(metrics: pd.DataFrame, floor: float, limits: SectionLimits) -> Mask:
    """Say which cells have more counts of control probes than the section's rate explains.

    A binomial test with p corrected over the cells by Benjamini and Hochberg. The rate is first that of all
    cells, then again that of the cells not found, so that bad cells do not excuse themselves.

    Parameters
    ----------
    metrics
        As `stietime.tissue.quality.section_quality.measure_section` returns them.
    floor
        The cell's smallest share of control probes, in percent; nan when there are no such probes.
    limits
        The false discovery rate, and the smallest number of counts.
    """
    share = metrics["pct_negative"].to_numpy(dtype=np.float64)
    known = np.isfinite(share)
    found = np.zeros(len(share), dtype=bool)
    if not known.any():
        return found
    negative = metrics["n_negative"].to_numpy(dtype=np.float64)[known]
    total = negative + metrics["n_counts"].to_numpy(dtype=np.float64)[known]
    enough = (share[known] >= floor) & (negative >= limits.min_negative_counts)
    beyond = np.zeros(len(total), dtype=bool)
    for _ in range(N_ROUNDS):
        rate = negative[~beyond].sum() / total[~beyond].sum()
        p = np.asarray(binom.sf(negative - 1, total, rate))
        before, beyond = beyond, enough & (false_discovery_control(p) <= limits.negative_fdr)
        if (before == beyond).all() or beyond.all():
            break
    found[known] = beyond
    return found
