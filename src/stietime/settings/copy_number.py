"""Options of the copy numbers that are inferred from expression."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stietime.settings.base import Fraction, Section


class CopyNumber(Section):
    """Copy numbers of epithelial cells, inferred from expression against immune and stromal cells."""

    min_epithelial_cells: Annotated[int, Field(ge=3)] = 10
    """A sample with fewer cells of epithelial lineages is not testable."""
    min_reference_cells: Annotated[int, Field(ge=10)] = 100
    """A sample with fewer immune and stromal cells is compared with those of samples of its chemistry."""
    min_cells_per_lineage: Annotated[int, Field(ge=4)] = 20
    """Reference lineages of fewer cells are put together."""
    max_reference_cells: Annotated[int, Field(ge=10)] = 2000
    """Number of reference cells, drawn evenly, where there are more."""
    min_detection: Fraction = 0.1
    """A gene is used where this share of the epithelial or of the reference cells shows it."""
    min_genes: Annotated[int, Field(ge=100)] = 1000
    """A sample with fewer such genes with a known position, as of a small panel, is not testable."""
    window_genes: Annotated[int, Field(ge=5, le=1000)] = 100
    """Number of neighbouring genes whose expression is averaged."""
    step_genes: Annotated[int, Field(ge=1, le=1000)] = 10
    """Number of genes from the beginning of one window to that of the next."""
    max_log_ratio: Annotated[float, Field(gt=0)] = 3.0
    """Log ratios of a gene in a cell to the reference are cut here (natural logarithm)."""
    false_call_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Share of cells without copy-number changes that may be called malignant."""
    n_orders: Annotated[int, Field(ge=1, le=1000)] = 20
    """Number of other orders of the genes in which epithelial cells are measured, for the thresholds."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of these orders, and of the draw of reference cells."""
