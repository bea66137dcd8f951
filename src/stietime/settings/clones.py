"""Options of the T-cell receptors and the clones made from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stietime.settings.base import Fraction, Section


class Clones(Section):
    """How cells are put into clones by their receptors; the sheet's column `receptors` says which files."""

    clone_column: str = ""
    """Column of clone names, common to the samples of a patient, in receptor files or in those of cells."""
    chains_in_cells: bool = False
    """Whether the files of cells hold the receptors in obs, as scirpy writes them (IR_VJ_1_cdr3, ...)."""
    match: Literal["nucleotide", "amino_acid"] = "nucleotide"
    """Sequence of the CDR3 that, with the V gene, must be the same in both chains of the cells of a clone."""
    single_chain: Literal["leave_out", "attach"] = "leave_out"
    """Cells of one chain: left out, or attached to the patient's clone with that chain where there is one."""
    min_known_barcodes: Fraction = 0.5
    """Smallest share of a receptor file's cells that the sample must have; with less it is the wrong file."""
    min_cells: Annotated[int, Field(ge=2)] = 10
    """A type or sample with fewer cells with a clone in a patient is not testable there."""

    @property
    def in_cells(self) -> bool:
        """Whether the files of cells hold clones or chains."""
        return bool(self.clone_column) or self.chains_in_cells
