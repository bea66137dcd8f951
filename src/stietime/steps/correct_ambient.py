"""Step `correct-ambient`: write counts without ambient RNA beside the counts, for the user's own analysis."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.cells.ambient.correction import subtract_ambient
from stietime.errors import InputError
from stietime.settings import Quality
from stietime.steps.arguments import add_path, add_settings

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    import anndata as ad
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

FORMULA = "SoupX adjustCounts, method subtraction (Young & Behjati 2020)"
NOT_CORRECTED = "the contamination could not be estimated: the values are the counts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--counts", "counts of one sample (h5ad)")
    add_path(parser, "--quality", "quality of every cell (parquet)")
    add_path(parser, "--ambient", "ambient RNA by gene (tsv)")
    add_path(parser, "--sample-quality", "verdict on the sample and its numbers (tsv)")
    add_settings(parser, Quality)
    add_path(parser, "--output", "kept cells with the values that are left (h5ad)")


def run(arguments: argparse.Namespace) -> None:
    """Correct the kept cells of one sample; the counts stay as they are.

    Raises
    ------
    InputError
        A table is missing, or does not fit the counts.
    """
    facts = storage.read_table(arguments.sample_quality, ["contamination", "contamination_source"]).iloc[0]
    cells = storage.read_cells(arguments.counts, arguments.quality)
    profile = _profile(arguments.ambient, pd.Index(cells.var_names))
    kept = cast("pd.DataFrame", cells.obs)[names.KEEP].to_numpy(dtype=bool)
    found = _corrected(cells[kept].copy(), profile, float(facts["contamination"]))
    source = facts["contamination_source"]
    found.uns["ambient_correction"]["contamination_source"] = "" if pd.isna(source) else str(source)
    storage.write_cells(found, arguments.output)
    done = found.uns["ambient_correction"]
    log = logging.getLogger(__name__)
    log.info("%d kept cells: %s of the counts taken off", len(found), f"{done['fraction_removed']:.1%}")
    if done["note"]:
        log.warning("%s", done["note"])


def _profile(path: Path, genes: pd.Index) -> NDArray[np.float64]:
    """Read the ambient share of every gene; the table leaves out those of 0."""
    table = storage.read_table(path, ["gene", "ambient_share"])
    unknown = table.loc[~table["gene"].isin(genes), "gene"]
    if len(unknown):
        what = f"{len(unknown)} genes are not among those of the counts, such as {unknown.iloc[0]}"
        raise InputError(what, path, "delete the file and run again, so that it is made from the same counts")
    share = table.set_index("gene")["ambient_share"].reindex(genes).fillna(0.0)
    return share.to_numpy(dtype=np.float64)


def _corrected(cells: ad.AnnData, profile: NDArray[np.float64], contamination: float) -> ad.AnnData:
    """Put the corrected values in X, the ambient share in var and what was done in uns."""
    counts = cast("csr_matrix", cells.X)
    estimable = bool(np.isfinite(contamination))
    values = subtract_ambient(counts, profile, contamination) if estimable else counts.astype(np.float32)
    before, after = float(counts.sum()), float(values.sum(dtype=np.float64))
    cells.X = values
    cells.var["ambient_share"] = profile
    cells.uns["ambient_correction"] = {
        "method": FORMULA,
        "contamination": contamination,
        "fraction_removed": 1 - after / before if estimable and before else 0.0,
        "note": "" if estimable else NOT_CORRECTED,
    }
    return cells
