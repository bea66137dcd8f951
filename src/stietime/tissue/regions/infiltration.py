"""Infiltration profiles: who lies how deep inside a tumour region, or how far outside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from stietime.tissue.regions.area import TissueGrid

COLUMNS: Final = (
    *("level", "entity", "from_um", "to_um", "n", "n_cells", "share", "area_mm2", "per_mm2", "note"),
)
MIN_BIN_MM2: Final = 0.0025  # one square of 50 um: below this a density says nothing
NO_BOUNDARY: Final = "the section has no boundary of a tumour region"


def bin_edges(max_distance_um: float, bin_um: float) -> NDArray[np.float64]:
    """Return the edges of the distance bins: multiples of the width, as far as the largest distance.

    Parameters
    ----------
    max_distance_um
        Largest distance from the boundary on either side, micrometres.
    bin_um
        Width of a bin, micrometres.
    """
    n = max(1, int(max_distance_um // bin_um))
    return np.arange(-n, n + 1, dtype=np.float64) * bin_um


def tissue_by_distance(
    grid: TissueGrid,
    positions: NDArray[np.float64],
    inside: NDArray[np.bool_],
    boundary: NDArray[np.float64],
    edges_um: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Measure the area of the tissue in every bin of signed distance to the boundary.

    Cells near the edge of the section have less tissue at a given distance; dividing by the tissue that is
    there takes the edge effect out of a density.

    Parameters
    ----------
    grid
        The tissue.
    positions
        Cells x 2, micrometres.
    inside
        Which cells lie inside tumour regions; a square is inside when its nearest cell is.
    boundary
        Points x 2 on the boundary, micrometres.
    edges_um
        Edges of the bins, increasing.

    Returns
    -------
    Square millimetres in each bin.
    """
    distance, _ = cKDTree(boundary).query(grid.centres, distance_upper_bound=float(np.abs(edges_um).max()))
    near = np.flatnonzero(np.isfinite(distance))
    _, cell = cKDTree(positions).query(grid.centres[near])
    signed = np.where(inside[cell], -distance[near], distance[near])
    found, _ = np.histogram(signed, edges_um)
    return np.asarray(found * grid.pixel_mm2)


def infiltration_profile(
    distance_um: NDArray[np.float64],
    groups: Mapping[tuple[str, str], NDArray[np.bool_]],
    edges_um: NDArray[np.float64],
    area_mm2: NDArray[np.float64],
) -> pd.DataFrame:
    """Compute the density and the share of each group of cells by signed distance to the boundary.

    density = cells of the group in the bin / tissue in the bin; share = cells of the group / all cells of
    the bin. Bins are half open, as those of a histogram.

    Parameters
    ----------
    distance_um
        Signed distance of every cell, negative inside tumour regions; may be missing.
    groups
        For each level and entity, such as ("lineage", "t_cell"), which cells belong to it.
    edges_um
        Edges of the bins, increasing.
    area_mm2
        Tissue in each bin, see `tissue_by_distance`.

    Returns
    -------
    `COLUMNS`, one row per group and bin. `per_mm2` is empty where a bin holds less than 0.0025 mm2 of tissue,
    `share` where it holds no cell, and `note` says so.
    """
    n_cells, _ = np.histogram(distance_um, edges_um)
    enough = area_mm2 >= MIN_BIN_MM2
    note = np.where(n_cells == 0, "no cell in the bin", np.where(enough, "", "too little tissue in the bin"))
    tables = []
    for (level, entity), members in groups.items():
        n, _ = np.histogram(distance_um[members], edges_um)
        columns = {
            "level": level,
            "entity": entity,
            "from_um": edges_um[:-1],
            "to_um": edges_um[1:],
            "n": n,
            "n_cells": n_cells,
            "share": np.where(n_cells > 0, n / np.maximum(n_cells, 1), np.nan),
            "area_mm2": area_mm2,
            "per_mm2": np.where(enough, n / np.where(enough, area_mm2, 1.0), np.nan),
            "note": note,
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))
