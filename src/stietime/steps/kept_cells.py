"""The samples of a step with the cells that quality control kept: which they are, and of which species."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stietime import names, storage
from stietime.errors import InputError
from stietime.h5ad_parts import read_frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from stietime.resources import Species

log = logging.getLogger(__name__)

METRIC_OF_REASON = {
    "empty": "n_counts",
    "low_counts": "n_counts",
    "high_counts": "n_counts",
    "low_genes": "n_genes",
    "high_genes": "n_genes",
    "high_mito": "pct_mito",
    "doublet": "doublet_score",
}


def pair_files(counts: Sequence[Path], quality: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Put the counts of each sample beside its quality.

    Raises
    ------
    InputError
        There is not one of each.
    """
    if len(counts) != len(quality):
        what = f"{len(counts)} files of counts and {len(quality)} of quality"
        raise InputError(what, "--counts, --quality", "give one of each for every sample, in the same order")
    return list(zip(counts, quality, strict=True))


def pair_kept(
    counts: Sequence[Path], quality: Sequence[Path]
) -> tuple[list[tuple[Path, Path]], list[tuple[Path, Path]]]:
    """Put the counts of each sample beside its quality, samples that keep no cell apart.

    A sample without a kept cell, such as an excluded one, has no part in what the samples share, be it genes
    or species.

    Returns
    -------
    The pairs of the samples that keep a cell, and those of the others.

    Raises
    ------
    InputError
        There is not one of each, or no sample keeps a cell.
    """
    kept: list[tuple[Path, Path]] = []
    empty: list[tuple[Path, Path]] = []
    for pair in pair_files(counts, quality):
        keep = storage.read_table(pair[1], [names.KEEP])[names.KEEP]
        (kept if keep.any() else empty).append(pair)
    if not kept:
        raise _nothing_kept(quality)
    for path, _ in empty:
        log.warning("%s: no cell is kept, the sample is left out", path)
    return kept, empty


def _nothing_kept(quality: Sequence[Path]) -> InputError:
    """Say which filters took every cell, with the values of what they dropped."""
    table = storage.stack_tables(quality, [names.REASON])
    told = ", ".join(
        f"{reason} {len(rows)}{_range_of(str(reason), rows)}"
        for reason, rows in sorted(table.groupby(names.REASON), key=lambda item: -len(item[1]))
    )
    what = f"no cell of any sample is kept: all {len(table)} cells were dropped as {told}"
    fix = "loosen the options of quality that belong to these reasons (config/README.md)"
    return InputError(what, f"{quality[0]} and the other samples' tables of quality", fix)


def _range_of(reason: str, dropped: pd.DataFrame) -> str:
    """Give the range of the metric that a reason is about, over the cells it dropped."""
    metric = METRIC_OF_REASON.get(reason, "")
    if metric not in dropped.columns or dropped[metric].isna().all():
        return ""
    return f" ({metric} {dropped[metric].min():.4g} to {dropped[metric].max():.4g})"


def kept_ids(counts: Path, quality: Path) -> NDArray[np.object_]:
    """Read the ids of the kept cells of a sample.

    Raises
    ------
    InputError
        The quality is of other cells than the counts, or of the same in another order.
    """
    table = storage.read_table(quality, [names.CELL, names.KEEP])
    cells = read_frame(counts, "obs", [])
    if not cells.index.equals(pd.Index(table[names.CELL], dtype=object)):
        storage.join_strictly(cells, table[[names.CELL]], quality)
        msg = "the cells stand in another order than in the counts"
        raise InputError(msg, quality, "delete the file and run again, so that it is made from the counts")
    kept: NDArray[np.object_] = cells.index.to_numpy(dtype=object)[table[names.KEEP].to_numpy(dtype=bool)]
    return kept


def species_of(frames: Sequence[pd.DataFrame], where: object) -> Species:
    """Tell the species of the samples; human when none is written down.

    Raises
    ------
    InputError
        The samples are of two species, whose genes cannot be compared.
    """
    written = [frame["species"].astype(str).unique() for frame in frames if "species" in frame.columns]
    found = sorted(set(np.concatenate(written))) if written else []
    if len(found) > 1:
        what = f"the samples are of several species: {', '.join(found)}"
        raise InputError(what, where, "run each species with a sample sheet of its own")
    return "mouse" if found == ["mouse"] else "human"
