"""Which cells count as tumour and which as immune when the architecture of a section is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

TUMOUR_LINEAGES: Final = frozenset({"epithelial", "hepatocyte"})
# the last three are what a panel can call when it cannot say more: a CD45+ cell is immune all the same
IMMUNE_LINEAGES: Final = frozenset(
    {
        *("t_cell", "nk", "b_cell", "plasma", "monocyte", "macrophage", "dc", "pdc"),
        *("neutrophil", "mast", "basophil", "eosinophil"),
        *("immune", "lymphocyte", "myeloid"),
    }
)


def is_tumour(lineage: pd.Series, cell_type: pd.Series) -> NDArray[np.bool_]:
    """Say which cells count as tumour.

    In a section of a carcinoma, epithelial cells (in the liver also hepatocytes) stand for malignant cells:
    without copy numbers the two cannot be told apart, and normal epithelium is counted too.

    Parameters
    ----------
    lineage, cell_type
        One value per cell; a cell counts when either names a tumour lineage.
    """
    return _in_either(lineage, cell_type, TUMOUR_LINEAGES)


def is_immune(lineage: pd.Series, cell_type: pd.Series) -> NDArray[np.bool_]:
    """Say which cells are immune cells; red cells and platelets are not.

    Parameters
    ----------
    lineage, cell_type
        One value per cell; a cell counts when either names an immune lineage.
    """
    return _in_either(lineage, cell_type, IMMUNE_LINEAGES)


def _in_either(lineage: pd.Series, cell_type: pd.Series, chosen: frozenset[str]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (lineage.isin(chosen) | cell_type.isin(chosen)).to_numpy(dtype=bool)
    return found
