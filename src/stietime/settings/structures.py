"""Options of tissue structures and niches."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stietime.settings.base import Fraction, Section


class Structures(Section):
    """Infiltration, lymphoid aggregates, capsule, proximity and niches; distances are micrometres."""

    bin_um: Annotated[float, Field(gt=0, le=500)] = 20.0
    """Width of the bins of distance to the boundary of tumour regions."""
    min_b_share: Fraction = 0.5
    """Smallest share of B cells within `spatial.radius_um` of a cell in an aggregate of B cells."""
    min_b_cells: Annotated[int, Field(ge=2)] = 50
    """Smallest number of B cells in an aggregate."""
    min_t_cells: Annotated[int, Field(ge=0)] = 10
    """Smallest number of T cells in an aggregate and its rim for a tertiary lymphoid structure."""
    min_spot_share: Fraction = 0.05
    """Smallest share of B and of T cells in the RNA of a spot and its ring for a lymphoid hot spot."""
    rim_um: Annotated[float, Field(ge=0, le=500)] = 50.0
    """Width of the rim around an aggregate in which its T cells and dendritic cells are counted."""
    capsule_coverage: Fraction = 0.5
    """Share of the boundary that fibroblasts, pericytes and vessels must line for a capsule."""
    capsule_enrichment: Annotated[float, Field(ge=1)] = 1.5
    """How many times their share in the stroma beyond they must have at the boundary for a capsule."""
    n_window: Annotated[int, Field(ge=4, le=200)] = 20
    """Number of nearest cells of known type whose composition decides the niche of a cell."""
    window_um: Annotated[float, Field(gt=0, le=1000)] = 100.0
    """Largest distance of a cell of the window."""
    max_niches: Annotated[int, Field(ge=2, le=50)] = 12
    """Largest number of niches that is tried, from 2."""
    min_jaccard: Fraction = 0.5
    """Every niche must be found again by the other half of the neighbours with this Jaccard index."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of k-means, of the windows it is fitted on, and of the subsamples of confidences."""
