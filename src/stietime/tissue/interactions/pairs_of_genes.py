"""Pairs of ligands and receptors: which a panel of genes can show, and how strongly cells express them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]

COMPLEX: Final = "+"  # between the genes of a complex, all of which are needed


class GenePair(NamedTuple):
    """A ligand and its receptor, each the genes of its subunits, and why the pair cannot be tested.

    Parameters
    ----------
    axis, ligand, receptor
        As the table of pairs has them.
    missing
        Genes that are not on the panel.
    """

    axis: str
    ligand: str
    receptor: str
    missing: tuple[str, ...]

    @property
    def note(self) -> str:
        """Why the pair is not testable; empty when the panel has all of its genes."""
        if not self.missing:
            return ""
        verb = "is" if len(self.missing) == 1 else "are"
        return f"not testable: {', '.join(self.missing)} {verb} not on the panel"


def gene_pairs(table: pd.DataFrame, genes: pd.Index) -> list[GenePair]:
    """Say of every pair whether the genes of a section can show it.

    Parameters
    ----------
    table
        One row per pair: axis, ligand, receptor; subunits of a complex are joined by `+`.
    genes
        Genes of the section.
    """
    panel = frozenset(genes)
    return [
        GenePair(
            row["axis"],
            row["ligand"],
            row["receptor"],
            tuple(gene for gene in subunits(row["ligand"]) + subunits(row["receptor"]) if gene not in panel),
        )
        for row in table.to_dict("records")
    ]


def subunits(name: str) -> list[str]:
    """List the genes of a ligand or receptor: one, or the subunits of a complex."""
    return name.split(COMPLEX)


def expression_of(
    counts: sparse.csr_matrix | sparse.csc_matrix, genes: pd.Index, totals: Floats, name: str
) -> Floats:
    """Compute how much of a ligand or receptor each cell expresses, free of the cell's depth.

    Counts are divided by the cell's total and multiplied by the median total. No logarithm is taken: the mean
    of a rate does not depend on depth, that of its logarithm does, and a gradient of depth would then look
    like an interaction. Of a complex the subunit with the lowest rate counts, since all are needed.

    Parameters
    ----------
    counts
        Cells x genes.
    genes
        Names of the columns.
    totals
        Counts of each cell over all genes.
    name
        A gene, or genes joined by `+`.

    Returns
    -------
    Counts per cell of median depth; 0 for cells without counts.
    """
    places = [genes.get_loc(gene) for gene in subunits(name)]
    found = np.min([counts[:, [place]].toarray().ravel() for place in places], axis=0)
    middle = float(np.median(totals[totals > 0])) if (totals > 0).any() else 0.0
    scale = np.divide(middle, totals, out=np.zeros(len(totals)), where=totals > 0)
    return np.asarray(found * scale)
