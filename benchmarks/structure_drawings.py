"""Drawn tissues with planted structures, and the same without, for the benchmark of tissue structures."""

from __future__ import annotations

from typing import Final

MIXTURES: Final = {
    "T": {"epithelial": 0.95, "cd8_t": 0.03, "macrophage": 0.02},
    "i": {"epithelial": 0.6, "cd8_t": 0.3, "macrophage": 0.1},
    "S": {"fibroblast": 0.5, "cd8_t": 0.2, "macrophage": 0.2, "b_cell": 0.05, "dc": 0.05},
    "c": {"fibroblast": 0.6, "endothelial": 0.3, "cd8_t": 0.1},
    "F": {"fibroblast": 0.85, "endothelial": 0.1, "cd8_t": 0.05},
    "B": {"b_cell": 0.8, "cd4_t": 0.15, "dc": 0.05},
    "z": {"cd4_t": 0.75, "b_cell": 0.1, "dc": 0.15},
    "m": {"b_cell": 0.35, "cd4_t": 0.35, "macrophage": 0.3},
    "L": {"b_cell": 0.6, "cd4_t": 0.3, "dc": 0.1},
    "I": {"cd8_t": 0.4, "macrophage": 0.4, "epithelial": 0.2},
}  # fmt: skip

# two structures; decoys: T cells alone (z), B and T cells evenly mixed (m), B cells in the stroma
LYMPHOID: Final = """
SSSSSSSSSSSSSSSSSSSSSSSS
SzzzzzSSSSSSSSSSmmmmSSSS
SzBBBzSSSSzzzSSSmmmmSSSS
SzBBBzSSSSzzzSSSmmmmSSSS
SzBBBzSSSSzzzSSSSSSSSSSS
SzzzzzSSSSSSSSSSSSSSSSSS
SSSSSSSSSTTTTTTTTSSSSSSS
SSSSSSSSSTTTTTTTTSSSSSSS
SSSSSSSSSTTTTTTTTzzzzSSS
SSzzzSSSSTTTTTTTTzBBzSSS
SSzzzSSSSTTTTTTTTzBBzSSS
SSzzzSSSSTTTTTTTTzzzzSSS
SSSSSSSSSSSSSSSSSSSSSSSS
"""
LYMPHOID_AT: Final = ((175.0, 175.0), (950.0, 500.0))

WALLED: Final = """
SSSSSSSSSSSSSSSSSS
SSSSSSSSSSSSSSSSSS
SSSSSSSSSSSSSSSSSS
SSSScccccccccSSSSS
SSSScTTTTTTTcSSSSS
SSSScTTTTTTTcSSSSS
SSSScTTTTTTTcSSSSS
SSSScTTTTTTTcSSSSS
SSSScTTTTTTTcSSSSS
SSSScccccccccSSSSS
SSSSSSSSSSSSSSSSSS
SSSSSSSSSSSSSSSSSS
SSSSSSSSSSSSSSSSSS
"""

NICHES: Final = (
    "\n".join(["TTTTTTSSSSSS"] * 6 + ["LLLLLLIIIIII"] * 6),
    "\n".join(["TTTTSSSSTTTT"] * 4 + ["SSSSLLLLSSSS"] * 4 + ["IIIIIIIITTTT"] * 4),
)
EVEN: Final = {"epithelial": 0.35, "cd8_t": 0.25, "b_cell": 0.2, "cd4_t": 0.1, "dc": 0.05, "fibroblast": 0.05}
