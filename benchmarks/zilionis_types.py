"""The authors' types of the lung tumours of Zilionis 2019, by the groups that can be compared with ours."""

from __future__ import annotations

from typing import Final

# without their prefix for blood (b) or tumour (t); mono- and macrophages and dendritic cells are one type of
# theirs (MoMacDC), fibroblasts and smooth muscle are compared as stroma
ZILIONIS_TYPES: Final = {
    "T cells": "t_cell",
    "NK cells": "nk",
    "B cells": "b_cell",
    "Plasma cells": "plasma",
    "MoMacDC": "mononuclear",
    "Monocytes": "mononuclear",
    "Neutrophils": "neutrophil",
    "Mast cells": "mast",
    "Basophils": "basophil",
    "pDC": "pdc",
    "Endothelial cells": "endothelial",
    "Fibroblasts": "stroma",
    "Smooth muscle cells": "stroma",
    "Ciliated cells": "epithelial",
}
OUR_GROUPS: Final = {
    "monocyte": "mononuclear",
    "macrophage": "mononuclear",
    "dc": "mononuclear",
    "fibroblast": "stroma",
    "pericyte": "stroma",
}
UNMAPPED: Final = ("ND", "bMyeloid precursor-like")  # no type of ours answers to these


def authors_group(label: str) -> str:
    """Translate one of the authors' types."""
    if label.startswith("Patient"):  # PatientN-specific are their malignant cells
        return "epithelial"
    return ZILIONIS_TYPES.get(label) or ZILIONIS_TYPES[label[1:]]
