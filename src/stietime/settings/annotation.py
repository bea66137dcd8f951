"""Options of the cell types."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stietime.settings.base import Fraction, Section


class Annotation(Section):
    """Cell types by marker sets, a model or a reference."""

    method: Literal["markers", "given", "celltypist", "reference"] = "markers"
    """Types by marker sets (markers), the authors' (given), a CellTypist model or a labelled reference."""
    model: str = ""
    """Model file of CellTypist (.pkl), for method celltypist; a pickle: use files of sources you trust."""
    reference: str = ""
    """File of labelled cells with counts (h5ad), for method reference."""
    reference_column: str = ""
    """Column of the reference's obs that holds the labels."""
    label_names: dict[str, str] = Field(default={})
    """Labels of the model or reference, each with the name used here (a set of the marker table, unknown)."""
    min_margin: Fraction = 0.15
    """Lead of a cell's best marker score (0 to 1) over other lineages for it to help learn its type."""
    min_confidence: Fraction = 0.5
    """A cell whose most probable lineage is less probable than this is unknown."""
    neighbour_weight: Fraction = 0.5
    """Weight of the neighbours in the embedding against an undecided cell's own evidence."""
    cluster_weight: Fraction = 0.5
    """Weight of the cluster against an undecided cell's own evidence; a clear cell keeps its own."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the cells that are drawn from a large reference."""

    @property
    def takes_over(self) -> str:
        """The option that names the file which types are taken over from: model or reference, or none."""
        return {"celltypist": "model", "reference": "reference"}.get(self.method, "")

    @property
    def taken_from(self) -> str:
        """The file that types are taken over from, as it is written; empty when there is none."""
        return str(getattr(self, self.takes_over)) if self.takes_over else ""
