"""Quality of the cells or spots of a section: what is measured, and the one reason of a dropped cell.

A section is judged by what its method measures: a panel of some hundred genes has no mitochondrial share, but
control probes and areas; spots have no areas; a table of cell types has no counts at all. What is not
measured is never held against a cell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull, QhullError

from stietime.names import KEPT
from stietime.tissue.quality.section_cuts import has_many_controls, is_spilt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.tissue.quality.section_cuts import SectionCut, SectionLimits

    Floats = NDArray[np.float64]

# a cell that several cuts would drop gets the first of these as its reason
REASONS: Final = ("no_counts", "low_counts", "large_area", "high_negative")
CUT_COLUMNS: Final = ("metric", "lower", "upper", "median", "mad", "n_cells", "n_removed", "note")
MITO: Final = re.compile(r"MT-.+", re.IGNORECASE)
MIN_MITO_GENES: Final = 5  # of 37; a panel that holds one or two does not measure the mitochondrial share
MIN_CELLS_FOR_SUM: Final = 100  # fewer cells do not tell whether areas fit the section
MIN_MEDIAN_UM2: Final = 10.0  # a disc of 3.6 um: no tissue is made of smaller cells
MAX_COVER: Final = 2.0  # cells that add up to more than this many times their section are in another unit


def area_problem(area_um2: Floats, positions_um: Floats) -> str:
    """Say why areas cannot be square micrometres of the section they are in.

    Parameters
    ----------
    area_um2
        One area per cell, nan where there is none.
    positions_um
        Cells x 2 centres.

    Returns
    -------
    What is wrong; empty when cells are not too small and fit into the hull of their centres, or too few
    cells tell.
    """
    known = np.isfinite(area_um2)
    if known.sum() < MIN_CELLS_FOR_SUM:
        return ""
    median = float(np.median(area_um2[known]))
    if median < MIN_MEDIAN_UM2:
        return f"the median area of {median:.2g} is not in square micrometres; check inputs.um_per_unit"
    try:
        hull = float(ConvexHull(positions_um).volume)
    except QhullError:
        return ""
    cover = float(area_um2[known].sum()) / hull
    if cover <= MAX_COVER:
        return ""
    return (
        f"the areas add up to {cover:.1f} times the section, so they or the positions are no micrometres; "
        "check inputs.um_per_unit"
    )


def measure_section(
    counts: csr_matrix,
    genes: Iterable[str],
    *,
    area_um2: Floats | None = None,
    nucleus_area_um2: Floats | None = None,
    negative_counts: Floats | None = None,
) -> pd.DataFrame:
    """Measure the quality of every cell or spot of a section.

    Parameters
    ----------
    counts
        Counts, cells x genes; without genes nothing is measured from them.
    genes
        Gene symbols, control probes not among them.
    area_um2, nucleus_area_um2
        Areas of the cells and of their nuclei, when they are known.
    negative_counts
        Counts of all control probes in each cell, when there are such probes.

    Returns
    -------
    One row per cell, nan where it is not measured: n_counts and n_genes; n_negative and pct_negative (the
    share of control probes in all its counts); area_um2 and counts_per_100um2; nucleus_ratio (share of the
    nucleus in the area); pct_mito.
    """
    n_cells = counts.shape[0]
    missing = np.full(n_cells, np.nan)
    n_counts = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel() if counts.shape[1] else missing
    n_genes = np.diff(counts.tocsr().indptr).astype(np.float64) if counts.shape[1] else missing
    negative = missing if negative_counts is None else np.asarray(negative_counts, dtype=np.float64)
    area = missing if area_um2 is None else np.asarray(area_um2, dtype=np.float64)
    nucleus = missing if nucleus_area_um2 is None else np.asarray(nucleus_area_um2, dtype=np.float64)
    is_mito = np.array([MITO.fullmatch(gene) is not None for gene in genes], dtype=bool)
    mito = counts @ is_mito.astype(np.float64) if is_mito.sum() >= MIN_MITO_GENES else missing
    return pd.DataFrame(
        {
            "n_counts": n_counts,
            "n_genes": n_genes,
            "n_negative": negative,
            "pct_negative": 100 * _share(negative, n_counts + negative),
            "area_um2": area,
            "counts_per_100um2": 100 * _share(n_counts, area),
            "nucleus_ratio": _share(nucleus, area),
            "pct_mito": 100 * _share(mito, n_counts),
        }
    )


def _share(part: Floats, whole: Floats) -> Floats:
    """Divide; nan where there is nothing to divide by."""
    empty = np.full(len(part), np.nan)
    return np.asarray(np.divide(part, whole, out=empty, where=whole > 0), dtype=np.float64)


def find_section_reasons(
    metrics: pd.DataFrame, cuts: Iterable[SectionCut], limits: SectionLimits
) -> NDArray[np.object_]:
    """Give every cell `kept`, or the first of `REASONS` that drops it.

    Parameters
    ----------
    metrics
        As `measure_section` returns them.
    cuts
        As `find_section_cuts` returns them for the same cells.
    limits
        The limits that the cuts were found with.

    Returns
    -------
    One word per cell.
    """
    where = {cut.metric: cut for cut in cuts}
    counts = metrics["n_counts"].to_numpy(dtype=np.float64)
    beyond = {
        "no_counts": counts < where["no_counts"].lower,
        "low_counts": counts < where["n_counts"].lower,
        "large_area": is_spilt(metrics, where["area_um2"].upper, limits),
        "high_negative": has_many_controls(metrics, where["pct_negative"].upper, limits),
    }
    return np.select([beyond[reason] for reason in REASONS], list(REASONS), default=KEPT).astype(object)


def section_cut_table(cuts: Iterable[SectionCut], reasons: NDArray[np.object_]) -> pd.DataFrame:
    """Put the cuts into a table with the number of cells each removed.

    Parameters
    ----------
    cuts
        As `find_section_cuts` returns them.
    reasons
        As `find_section_reasons` returns them: every dropped cell is counted in one row.
    """
    dropped_by = dict(zip(("no_counts", "n_counts", "area_um2", "pct_negative"), REASONS, strict=True))
    rows = [
        {**vars(cut), "n_removed": int((reasons == dropped_by.get(cut.metric, "")).sum())} for cut in cuts
    ]
    return pd.DataFrame(rows, columns=list(CUT_COLUMNS))
