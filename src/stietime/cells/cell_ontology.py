"""Terms of the Cell Ontology for the cell types that are told apart."""

from __future__ import annotations

from typing import Final

ONTOLOGY_TERMS: Final = {
    "t_cell": "CL:0000084",
    "cd4_t": "CL:0000624",
    "cd8_t": "CL:0000625",
    "gamma_delta_t": "CL:0000798",
    "nk": "CL:0000623",
    "b_cell": "CL:0000236",
    "plasma": "CL:0000786",
    "monocyte": "CL:0000576",
    "mono_cd14": "CL:0000860",
    "mono_cd16": "CL:0000875",
    "macrophage": "CL:0000235",
    "dc": "CL:0000451",
    "cdc1": "CL:0002394",
    "cdc2": "CL:0002399",
    "pdc": "CL:0000784",
    "neutrophil": "CL:0000775",
    "mast": "CL:0000097",
    "basophil": "CL:0000767",
    "eosinophil": "CL:0000771",
    "platelet": "CL:0000233",
    "erythroid": "CL:0000764",
    "epithelial": "CL:0000066",
    "fibroblast": "CL:0000057",
    "pericyte": "CL:0000669",
    "endothelial": "CL:0000115",
    "hepatocyte": "CL:0000182",
}
