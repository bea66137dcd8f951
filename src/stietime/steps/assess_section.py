"""Measure every cell or spot of a section, and say which can be judged and why the others cannot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from scipy import sparse

from stietime import names, storage
from stietime.settings import Quality
from stietime.steps.arguments import add_path, add_settings
from stietime.tissue.quality.section_cuts import SectionLimits, find_section_cuts
from stietime.tissue.quality.section_quality import (
    area_problem,
    find_section_reasons,
    measure_section,
    section_cut_table,
)

if TYPE_CHECKING:
    import argparse

    import anndata as ad
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LOG = logging.getLogger(__name__)
AREA, NUCLEUS_AREA = "area_um2", "nucleus_area_um2"
NEGATIVE_COUNTS = "n_negative_probe_counts"
# where the matrix has no control probes, the counts that Xenium and CosMx write beside it
NEGATIVE_SOURCES = tuple(
    f"{names.SOURCE_PREFIX}{name}"
    for name in (
        *("control_probe_counts", "control_codeword_counts", "genomic_control_counts"),
        *("unassigned_codeword_counts", "deprecated_codeword_counts", "nCount_negprobes", "nCount_falsecode"),
    )
)
NOT_MEASURED = "not measured"
CUTS = "cuts"  # attribute of the table: its cuts, one record for each metric


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of the section (h5ad)")
    add_settings(parser, Quality)
    add_path(
        parser, "--output", "quality of every cell to write (parquet); its attribute `cuts` holds the cuts"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure the section and say which cells are kept."""
    section = storage.read_cells(arguments.counts)
    metrics, notes = _measure(section)
    limits = limits_of(arguments.settings)
    n_probes = int(section.uns.get("ingest", {}).get("n_negative_probes", 0))
    cuts = find_section_cuts(metrics, limits, n_genes=section.n_vars, n_negative_probes=n_probes)
    reasons = find_section_reasons(metrics, cuts, limits)
    table = section_cut_table(cuts, reasons)
    table["note"] = [notes.get(cut.metric) or cut.note for cut in cuts]
    index = cast("pd.DataFrame", section.obs).index
    columns: dict[str, Any] = {name: metrics[name].to_numpy() for name in metrics.columns}
    quality = storage.cell_table(index, **columns, keep=reasons == names.KEPT, reason=reasons)
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    quality.attrs[CUTS] = records
    storage.write_table(quality, arguments.output)
    _log(cast("list[dict[str, Any]]", records), reasons, arguments.counts)


def limits_of(settings: Quality) -> SectionLimits:
    """Take what holds for sections from the settings of quality."""
    return SectionLimits(
        n_mads=settings.n_mads_counts,
        max_outlier_fraction=settings.max_outlier_fraction,
        min_cells_for_mads=settings.min_cells_for_mads,
        max_lower_cut_counts=settings.max_lower_cut_counts,
    )


def _measure(section: ad.AnnData) -> tuple[pd.DataFrame, dict[str, str]]:
    """Measure the section; areas that do not fit it are left out, and the notes say why."""
    obs = cast("pd.DataFrame", section.obs)
    area, nucleus = _floats(obs, AREA), _floats(obs, NUCLEUS_AREA)
    problem = "" if area is None else area_problem(area, np.asarray(section.obsm[names.SPATIAL_SLOT], float))
    if problem:
        area = None
    metrics = measure_section(
        sparse.csr_matrix(section.X if section.X is not None else section.shape),
        section.var_names,
        area_um2=area,
        nucleus_area_um2=nucleus,
        negative_counts=_negative(obs),
    )
    lost = ("area_um2", "counts_per_100um2", "nucleus_ratio") if problem else ()
    return metrics, dict.fromkeys(lost, f"{NOT_MEASURED}: {problem}")


def _floats(obs: pd.DataFrame, column: str) -> Floats | None:
    return obs[column].to_numpy(dtype=np.float64) if column in obs.columns else None


def _negative(obs: pd.DataFrame) -> Floats | None:
    own = _floats(obs, NEGATIVE_COUNTS)
    if own is not None:
        return own
    given = [pd.to_numeric(obs[name], errors="coerce") for name in NEGATIVE_SOURCES if name in obs.columns]
    if not given:
        return None
    return np.sum([column.fillna(0).to_numpy(dtype=np.float64) for column in given], axis=0, dtype=np.float64)


def _log(cuts: list[dict[str, Any]], reasons: NDArray[np.object_], where: object) -> None:
    counts = pd.Series(reasons).value_counts()
    kept = int(counts.get(names.KEPT, 0))
    dropped = ", ".join(f"{reason} {n}" for reason, n in counts.items() if reason != names.KEPT) or "none"
    LOG.info("%d of %d cells kept; dropped: %s", kept, len(reasons), dropped)
    notes = dict.fromkeys(cut["note"] for cut in cuts if cut["note"].startswith(NOT_MEASURED))
    if notes:
        LOG.info("%s: %s", NOT_MEASURED, "; ".join(note.removeprefix(f"{NOT_MEASURED}: ") for note in notes))
    if not kept:
        acted = [cut for cut in cuts if cut["n_removed"]]
        told = "; ".join(f"{c['metric']} (cut {c['lower'] or c['upper']:g}) {c['n_removed']}" for c in acted)
        LOG.warning("%s: no cell is kept, so that no type will be known: %s", where, told)
