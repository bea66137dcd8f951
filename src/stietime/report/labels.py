"""Names and colours as a biologist reads them: T cell, not t_cell."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from stietime import names
from stietime.figures.style import LINEAGE_COLOURS, colours_of
from stietime.resources import read_markers

if TYPE_CHECKING:
    from collections.abc import Iterable

OF_IMMUNE: Final = "_of_immune"  # ends the name of a fraction among immune cells

STATE_NAMES: Final = {
    "texp": "Texp (precursor exhausted CD8+ T)",
    "treg": "Treg (regulatory CD4+ T)",
    "m_mdsc": "M-MDSC",
    "pmn_mdsc": "PMN-MDSC",
    "ter_cell": "Ter cell",
}

STATE_SHORT_NAMES: Final = {
    "texp": "Texp",
    "treg": "Treg",
    "m_mdsc": "M-MDSC",
    "pmn_mdsc": "PMN-MDSC",
    "ter_cell": "Ter cell",
}

# what a fraction is counted among, as the axis of a figure says it
PARENT_NAMES: Final = {
    "all": "all cells",
    "cd8_t": "CD8+ T cells",
    "cd4_t": "CD4+ T cells",
    "t_cell": "T cells",
    "monocyte": "monocytes",
    "mono_cd14": "CD14+ monocytes",
    "neutrophil": "neutrophils",
    "erythroid": "erythroid cells",
    "immune": "immune cells",
    "lymphocyte": "lymphocytes",
    "myeloid": "myeloid cells",
    "mono_cd16": "CD16+ monocytes",
}

SHORT_NAMES: Final = {
    "dc": "Dendritic cell",
    "erythroid": "Erythroid cell",
    "monocyte": "Monocyte",
    "endothelial": "Endothelial cell",
    "mono_cd14": "CD14+ monocyte",
    "mono_cd16": "CD16+ monocyte",
    "red_cell": "Red cell",
    names.UNKNOWN: "Unknown",
    names.UNCLEAR: "Unclear",
}

# why a cell was dropped; `any` stands for all reasons together
REASON_NAMES: Final = {
    "empty": "nearly empty",
    "low_counts": "few counts",
    "high_counts": "many counts",
    "low_genes": "few genes",
    "high_genes": "many genes",
    "high_mito": "high mitochondrial share",
    "doublet": "doublet",
    "sample_excluded": "sample excluded",
    "any": "any reason",
    # of sections
    "no_counts": "no counts",
    "large_area": "large area, sparse counts",
    "high_negative": "counts of control probes",
}

# metrics of cells, as a table heads a column
METRIC_NAMES: Final = {
    "n_counts": "counts",
    "n_genes": "genes",
    "pct_mito": "mito (%)",
    "pct_ribo": "ribosomal (%)",
    "pct_hb": "haemoglobin (%)",
    "pct_stress": "dissociation (%)",
    "pct_top_genes": "top genes (%)",
    "complexity": "complexity",
    "pct_intronic": "intronic (%)",
    "doublet_score": "doublet score",
}

# what a cell's haemoglobin says of it
ERYTHROID_KINDS: Final = {
    "red_cell": "Red cell",
    "reticulocyte": "Reticulocyte",
    "nucleated_erythroid": "Nucleated erythroid cell (as Ter cells)",
    "ambient_haemoglobin": "Another cell with ambient haemoglobin",
}

VERDICT_NAMES: Final = {
    names.USABLE: "Usable",
    names.CAUTION: "Use with caution",
    names.EXCLUDED: "Excluded: no cell of this sample is used",
}

# the states of the reviews that are called inside a lineage
STATES_OF_LINEAGE: Final = {
    "t_cell": ("texp", "treg"),
    "monocyte": ("m_mdsc",),
    "neutrophil": ("pmn_mdsc",),
    "erythroid": ("ter_cell",),
}

ENVIRONMENT_NAMES: Final = {
    names.STIE: "systemic tumour immune environment (blood, lymph)",
    names.TIME: "tumour immune microenvironment",
    names.NORMAL: "normal tissue",
    names.LYMPH_NODE: "lymph node",
}

ENVIRONMENT_SHORT_NAMES: Final = {
    names.STIE: "blood (STIE)",
    names.TIME: "tumour (TIME)",
    names.NORMAL: "normal tissue",
    names.LYMPH_NODE: "lymph node",
}

CONTEXT_NAMES: Final = {
    "baseline": "before treatment",
    "radiotherapy": "radiotherapy",
    "immunotherapy": "immunotherapy",
    "chemo_targeted_combined": "chemotherapy, targeted and combined",
}


@functools.cache
def _marker_names() -> dict[str, str]:
    table = read_markers().drop_duplicates("set_id")
    return dict(zip(table["set_id"], table["label"], strict=True))


def label(entity: str) -> str:
    """Name a lineage, cell type, state or marker set; a gene keeps its symbol.

    Parameters
    ----------
    entity
        A `set_id` of the marker table, `unknown`, or a gene symbol.
    """
    if entity.endswith(OF_IMMUNE):
        return f"{label(entity.removesuffix(OF_IMMUNE))} (of immune cells)"
    known = STATE_NAMES.get(entity) or SHORT_NAMES.get(entity) or _marker_names().get(entity)
    return known or (entity if entity != entity.lower() else entity.replace("_", " "))


def reason_label(reason: str) -> str:
    """Name why a cell was dropped."""
    return REASON_NAMES.get(reason, reason.replace("_", " "))


def lineages_in_order(found: Iterable[str]) -> list[str]:
    """Sort lineages as legends do, what is not known last."""
    last = (names.UNKNOWN, names.UNCLEAR)
    order = [*(lineage for lineage in LINEAGE_COLOURS if lineage not in last), *last]
    distinct = set(found)
    return [lineage for lineage in order if lineage in distinct] + sorted(distinct - set(order))


def parent_label(parent: str) -> str:
    """Name in the plural what a fraction is counted among."""
    name = PARENT_NAMES.get(parent) or label(parent)
    if parent in PARENT_NAMES or not name[-1].isalpha() or name.endswith("s"):
        return name
    return f"{name[0].lower() if name[1].islower() else name[0]}{name[1:]}s"


def short_label(entity: str) -> str:
    """Name an entity as `label` does, a called state by its short name."""
    return STATE_SHORT_NAMES.get(entity) or label(entity)


def measured_label(entity: str, parent: str) -> str:
    """Name what a contrast measures and what it is counted among, such as `Texp / CD8+ T cells`."""
    name = short_label(entity.removesuffix(OF_IMMUNE))
    is_ratio = "+" in parent  # its name says of what
    return f"{name} / {parent_label(parent)}" if parent and not is_ratio else name


def lineage_colours() -> dict[str, str]:
    """Return the colour of each lineage by its label, in the order of legends."""
    return {label(lineage): colour for lineage, colour in LINEAGE_COLOURS.items()}


def type_colours(lineage_of: dict[str, str]) -> dict[str, str]:
    """Give each cell type the colour of its lineage when it is the only one, else one of its own.

    Parameters
    ----------
    lineage_of
        For each cell type its lineage, both by id.

    Returns
    -------
    Colours by the labels of the cell types.
    """
    taken: set[str] = set()
    known: dict[str, str] = {}
    for cell_type, lineage in lineage_of.items():
        colour = LINEAGE_COLOURS.get(cell_type) or LINEAGE_COLOURS.get(lineage, "")
        if colour and colour not in taken:
            known[label(cell_type)] = colour
            taken.add(colour)
    return colours_of(map(label, lineage_of), known)
