"""The cell types that are told apart, and the marker sets that stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CD4_T: Final = "cd4_t"
CD8_T: Final = "cd8_t"
T_CELL: Final = "t_cell"
ERYTHROID: Final = "erythroid"
MIN_COVERAGE: Final = 0.25  # a set with fewer of its positive genes in the data tells no type

# set_id -> (cell type, lineage); composite sets such as `dc` and `monocyte` are scored through their parts
SETS: Final = {
    "t_cell": ("t_cell", "t_cell"),
    "cd4_t": ("cd4_t", "t_cell"),
    "cd8_t": ("cd8_t", "t_cell"),
    "nk": ("nk", "nk"),
    "b_cell": ("b_cell", "b_cell"),
    "plasma": ("plasma", "plasma"),
    "mono_cd14": ("mono_cd14", "monocyte"),
    "mono_cd16": ("mono_cd16", "monocyte"),
    "macrophage": ("macrophage", "macrophage"),
    "cdc1": ("cdc1", "dc"),
    "cdc2": ("cdc2", "dc"),
    "dc_mature": ("dc", "dc"),
    "pdc": ("pdc", "pdc"),
    "neutrophil": ("neutrophil", "neutrophil"),
    "mast": ("mast", "mast"),
    "basophil": ("basophil", "basophil"),
    "platelet": ("platelet", "platelet"),
    "megakaryocyte": ("platelet", "platelet"),
    "erythroid": ("erythroid", "erythroid"),
    "epithelial": ("epithelial", "epithelial"),
    "fibroblast": ("fibroblast", "fibroblast"),
    "pericyte": ("pericyte", "pericyte"),
    "endothelial": ("endothelial", "endothelial"),
    "lymphatic_endothelial": ("endothelial", "endothelial"),
    "hepatocyte": ("hepatocyte", "hepatocyte"),
}
# told apart within their lineage only: CD4 is in monocytes too, so it says nothing of the lineage
WITHIN_LINEAGE: Final = {"cd4_t": "t_cell", "cd8_t": "t_cell"}
LINEAGES: Final = tuple(dict.fromkeys(lineage for _, lineage in SETS.values()))
TYPES: Final = tuple(dict.fromkeys(kind for kind, _ in SETS.values()))
LINEAGE_OF: Final = dict(SETS.values())  # lineage of each cell type

# composite sets whose genes speak for a lineage too, when a cell shows none of the lineage's own
_COMPOSITES: Final = {
    "lymphocyte": ("t_cell", "nk", "b_cell", "plasma"),
    "myeloid": ("monocyte", "macrophage", "dc", "neutrophil", "mast", "basophil"),
    "monocyte": ("monocyte", "macrophage"),
    "dc": ("dc", "pdc"),
}
SETS_READ: Final = tuple(dict.fromkeys([*SETS, *_COMPOSITES]))


def without_lineage_genes(markers: pd.DataFrame) -> pd.DataFrame:
    """Leave out of CD4 and CD8 T cells the genes of all T cells, which do not tell the two apart.

    Parameters
    ----------
    markers
        The marker table: set_id, direction, gene.
    """
    drop = np.zeros(len(markers), dtype=bool)
    for set_id, above in WITHIN_LINEAGE.items():
        shared = markers.loc[(markers["set_id"] == above) & (markers["direction"] == "positive"), "gene"]
        drop |= ((markers["set_id"] == set_id) & markers["gene"].isin(shared)).to_numpy()
    return markers[~drop]


def lineage_of_given(cell_type: str, parents: pd.Series) -> str:
    """Find the lineage of a type that was given: itself, or the nearest set above it that is a lineage.

    Parameters
    ----------
    cell_type
        A set_id of the marker table, or unknown.
    parents
        Parent of each set, by set_id.

    Returns
    -------
    A lineage, or unknown for a type that belongs to none, such as `immune`.
    """
    seen = cell_type
    while seen:
        if seen in SETS:
            return SETS[seen][1]
        if seen in LINEAGES:
            return seen
        seen = str(parents.get(seen, ""))
    return "unknown"


def supporting_genes(markers: pd.DataFrame, genes: Sequence[str]) -> NDArray[np.bool_]:
    """Say which genes speak for which lineage: positive genes of its sets and of composites above them.

    Parameters
    ----------
    markers
        The marker table: set_id, direction, gene.
    genes
        Gene symbols.

    Returns
    -------
    Lineages x genes, lineages in the order of `LINEAGES`.
    """
    positive = markers[markers["direction"] == "positive"].groupby("set_id")["gene"].agg(set)
    rows = []
    for lineage in LINEAGES:
        own = [name for name, (_, found) in SETS.items() if found == lineage]
        above = [name for name, lineages in _COMPOSITES.items() if lineage in lineages]
        known = set().union(*(positive.get(name, set()) for name in (*own, *above)))
        rows.append([gene in known for gene in genes])
    return np.array(rows, dtype=bool).reshape(len(LINEAGES), len(genes))


class Kinds(NamedTuple):
    """Cells by their lineage and type, of which there are few pairs.

    Parameters
    ----------
    codes
        Pair of each cell.
    pairs
        Lineages with types.
    """

    codes: NDArray[np.intp]
    pairs: list[tuple[str, str]]


def kinds_of(lineages: NDArray[np.object_], cell_types: NDArray[np.object_]) -> Kinds:
    """Group cells by their lineage and type."""
    codes, pairs = pd.factorize(pd.MultiIndex.from_arrays([lineages, cell_types]))
    return Kinds(codes, [(str(lineage), str(cell_type)) for lineage, cell_type in pairs])


def cells_below(parent: str, kinds: Kinds, parents: pd.Series, *, unresolved: str = "") -> NDArray[np.bool_]:
    """Find the cells of a type, or of types below it.

    Parameters
    ----------
    parent
        A lineage or a set of the marker table; empty for all cells.
    kinds
        Lineage and type of each cell.
    parents
        Parent of each set, by set_id.
    unresolved
        A type whose cells, which have no finer type, are taken too.
    """

    def _belongs(lineage: str, cell_type: str) -> bool:
        if not parent or parent == lineage or (unresolved and cell_type == unresolved):
            return True
        for name in (cell_type, lineage):
            above = name
            while above and above != parent:
                above = str(parents.get(above, ""))
            if above:
                return True
        return False

    return np.array([_belongs(*pair) for pair in kinds.pairs], dtype=bool)[kinds.codes]
