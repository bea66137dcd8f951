"""Marker genes that cells of other lineages cannot express."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime.cells.cell_types import LINEAGES, SETS, lineage_of_given

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# lineages that share part of their programme: a marker of one is not asked to be silent in the others
KIN: Final = (
    ("t_cell", "nk"),
    ("b_cell", "plasma", "pdc"),
    ("monocyte", "macrophage", "dc", "pdc", "neutrophil", "mast", "basophil"),
    ("platelet", "erythroid"),
    ("epithelial", "hepatocyte"),
    ("fibroblast", "pericyte", "endothelial"),
)
# markers that tell their lineage by level only: activated, secreting or stressed cells of others have them
# too (antigen presentation, NF-kB, secretion, Fc receptors, adhesion)
SHARED: Final = frozenset(
    [
        "BIRC3",
        "CCR7",
        "CD4",
        "CD40",
        "CD68",
        "CD74",
        "CD80",
        "CD83",
        "CIITA",
        "CST3",
        "FCER1G",
        "FLI1",
        "GATA2",
        "GNG11",
        "HES4",
        "IRF7",
        "IRF8",
        "PECAM1",
        "RELB",
        "RHOC",
        "SERPINA1",
        "TCF4",
        "TCF7L2",
        "VCAN",
        "XBP1",
        "HLA-DPB1",
        "HLA-DQA1",
        "H2-AA",
        "H2-AB1",
        "H2-EB1",
    ]
)
_COMPOSITES: Final = ("monocyte", "dc")  # sets of a lineage that is told by its parts


class ExclusiveMarkers(NamedTuple):
    """Marker genes of the lineages, and where each must be silent.

    Parameters
    ----------
    columns
        Positions of the marker genes among the genes of the data.
    owners
        Lineages x markers, in the order of `cell_types.LINEAGES`: the gene is a positive marker of the
        lineage, or of a type or state of it.
    silent
        Lineages x markers: cells of the lineage cannot express the gene.
    """

    columns: NDArray[np.intp]
    owners: NDArray[np.bool_]
    silent: NDArray[np.bool_]


def lineages_of_genes(markers: pd.DataFrame, *, with_states: bool = False) -> dict[str, set[str]]:
    """Say of which lineages each gene is a positive marker.

    Parameters
    ----------
    markers
        The marker table: set_id, parent, direction, gene.
    with_states
        Whether markers of a state of a lineage count too, such as CX3CR1 in effector T cells.

    Returns
    -------
    Lineages by gene.
    """
    parents = markers.drop_duplicates("set_id").set_index("set_id")["parent"]
    known = [set_id for set_id in parents.index if with_states or set_id in SETS or set_id in _COMPOSITES]
    lineages = {set_id: lineage_of_given(str(set_id), parents) for set_id in known}
    positive = markers[(markers["direction"] == "positive") & markers["set_id"].isin(known)]
    found: dict[str, set[str]] = {}
    for set_id, gene in zip(positive["set_id"], positive["gene"], strict=True):
        if lineages[set_id] in LINEAGES:
            found.setdefault(str(gene), set()).add(lineages[set_id])
    return found


def exclusive_markers(markers: pd.DataFrame, genes: Iterable[str]) -> ExclusiveMarkers:
    """Find the marker genes of the data and the lineages that cannot express them.

    Parameters
    ----------
    markers
        The marker table: set_id, parent, direction, gene.
    genes
        Gene symbols of the data, unique.
    """
    owners_of = lineages_of_genes(markers, with_states=True)
    named = [gene for gene in lineages_of_genes(markers) if gene.upper() not in SHARED]
    index = pd.Index(list(genes), dtype=object)
    columns = np.flatnonzero(index.isin(named))
    owners = np.array(
        [[lineage in owners_of[gene] for gene in index[columns]] for lineage in LINEAGES], dtype=bool
    ).reshape(len(LINEAGES), len(columns))
    return ExclusiveMarkers(columns, owners, ~(_kinship() @ owners))


def _kinship() -> NDArray[np.bool_]:
    kin = np.eye(len(LINEAGES), dtype=bool)
    for group in KIN:
        member = np.isin(LINEAGES, group)
        kin |= np.outer(member, member)
    return kin
