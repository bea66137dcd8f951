"""Options of ligands and receptors on tissue sections."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stietime.settings.base import Section


class Interactions(Section):
    """Ligand and receptor of cells near each other; distances are micrometres."""

    max_distance_um: Annotated[float, Field(gt=0, le=1000)] = 200.0
    """Largest distance between sender and receiver; the reviews' paracrine range is 200."""
    bin_um: Annotated[float, Field(gt=0, le=500)] = 25.0
    """Width of the bins of distance of the profiles."""
    min_cells: Annotated[int, Field(ge=2)] = 10
    """Fewest senders that express the ligand, and receivers the receptor, for a pair to be tested."""
    condition_on: Literal["region", "density", "region_and_density", "none"] = "region"
    """Expression is permuted within type, depth, and regions, levels of density, or both."""
    n_density_levels: Annotated[int, Field(ge=2, le=5)] = 4
    """Number of levels of local cell density that expression is permuted within."""
    n_depth_levels: Annotated[int, Field(ge=1, le=20)] = 4
    """Number of levels of counts per cell, by type, that expression is permuted within; 1 for none."""
    n_draws: Annotated[int, Field(ge=0, le=100_000)] = 999
    """Number of permutations drawn where fewer than 25 cells of a type express the gene that is permuted."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of these permutations."""
