"""Options of neighbourhoods: which cells are neighbours, and what labels are permuted within."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stietime.settings.base import Section


class Neighbourhood(Section):
    """Who is whose neighbour in a section, and how pairs of types are tested; distances are micrometres."""

    graph: Literal["radius", "nearest", "delaunay", "grid"] = "radius"
    """How neighbours are chosen: in a radius, the nearest cells, Delaunay, or rings of a grid of spots."""
    radius_um: Annotated[float, Field(gt=0, le=1000)] = 30.0
    """Cells whose centres lie within this distance are neighbours."""
    n_nearest: Annotated[int, Field(ge=1, le=100)] = 6
    """Number of nearest cells that are neighbours, where `graph` is nearest."""
    n_rings: Annotated[int, Field(ge=1, le=10)] = 1
    """Number of rings of spots that are neighbours, where `graph` is grid."""
    max_edge_um: Annotated[float, Field(gt=0, le=1000)] = 50.0
    """Cells further apart than this are no neighbours, where `graph` is nearest or delaunay."""
    field_column: str = ""
    """Column of the input that names a cell's field of view; nothing is counted across fields."""
    condition_on: Literal["region", "density", "region_and_density", "none"] = "region"
    """Enrichment is tested a second time with labels permuted within regions, levels of density, or both."""
    n_density_levels: Annotated[int, Field(ge=2, le=5)] = 4
    """Number of levels of local cell density that labels are permuted within."""
    n_draws: Annotated[int, Field(ge=0, le=1_000_000)] = 9_999
    """Number of permutations drawn for pairs of types with too few cells for p from moments."""
    seed: int = 0
    """Seed of these permutations."""
