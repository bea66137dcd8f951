"""Options of the tests of gene expression within cell types."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stietime.settings.base import Fraction, Section


class Expression(Section):
    """Gene expression within cell types, compared between the sums of patients (pseudobulk)."""

    levels: Annotated[tuple[Literal["lineage", "cell_type"], ...], Field(min_length=1)] = (
        "lineage",
        "cell_type",
    )
    """What cells are summed by: lineage, cell_type, or both."""
    min_cells: Annotated[int, Field(ge=1)] = 10
    """A patient with fewer cells of a type in an arm of a contrast is not tested for this type."""
    min_counts: Annotated[int, Field(ge=1)] = 10
    """A gene with fewer counts in all cells of a type in a contrast is not tested."""
    min_maker_share: Fraction = 0.1
    """A type makes a gene when at least this share of the gene's counts in the contrast are in its cells."""
    min_maker_detection: Fraction = 0.01
    """A type makes a gene when at least this share of its cells in the contrast show the gene."""
