"""What haemoglobin in a cell means: taken up from the medium, a red cell, a reticulocyte or an erythroblast.

Nucleated erythroid cells are where Ter cells are found (Ter-119+ CD71+ CD45- in the tumour setting), so
they are told from red cells and reticulocytes, and labelled whether or not there is a tumour. Which genes
tell was read off the sorted stages P1 to P8 of Ludwig et al. (Cell Reports 2019, GSE115684; mean log2 CPM
of each stage):

- `NUCLEATED_GENES` fall at least 8-fold from the basophilic and polychromatic erythroblasts (P5, P6) to the
  last stage (P8), and stay below 1 count per 10,000 in purified blood cells (Zheng et al., Nature
  Communications 2017). KLF1, GATA1, HMBS and ALAS2 fall less than 3-fold, so they say erythroid and nothing
  of the nucleus.
- `DIVIDING_GENES`, of chromatin, spindle and DNA synthesis, fall at least 13-fold between the same stages;
  they tell erythroblasts that still divide, and only in cells that are erythroid, as all dividing cells
  have them.
- `RESIDUAL_GENES` rise over the same stages, or hold their level, and are what is left in an anucleate cell.

In author-labelled marrow (NeurIPS 2021, GSE194122, CITE-seq) the first list alone separates the nucleated
stages from reticulocytes. A panel that lacks these genes cannot tell: such erythroid cells have no kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.cells.cell_sums import sum_sets
from stietime.cells.cell_types import ERYTHROID
from stietime.cells.gene_families import in_family
from stietime.names import PROVISIONAL_LINEAGE, UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Mask = NDArray[np.bool_]
    Floats = NDArray[np.float64]

AMBIENT: Final = "ambient_haemoglobin"
RED_CELL: Final = "red_cell"
RETICULOCYTE: Final = "reticulocyte"
NUCLEATED: Final = "nucleated_erythroid"
KINDS: Final = ("", AMBIENT, RED_CELL, RETICULOCYTE, NUCLEATED)

NUCLEATED_GENES: Final = "TFRC GYPA GYPE RHAG CD36 CA1 CA2 UROD KEL SPTA1 ADD2 TMEM14C"
DIVIDING_GENES: Final = """HMGB1 HMGB2 HMGN2 H2AZ1 TUBA1B TUBB STMN1 DEK LBR PCNA PCLAF TYMS TK1 MKI67 TOP2A
    RRM2 CENPF TMPO CBX5 DNMT1 NASP UBE2C CDK1 SMC4 TPX2 NUSAP1 DTL DLGAP5"""
RESIDUAL_GENES: Final = """ALAS2 SLC25A37 SNCA BPGM BNIP3L MKRN1 ARL4A DCAF12 YOD1 XPO7 TRIM58 IFIT1B TMCC2
    TENT5C UBE2H RIOK3 R3HDM4 ADIPOR1"""
_LEUKOCYTE_GENE: Final = "PTPRC"  # CD45

MIN_HAEMOGLOBIN_SHARE: Final = 0.2  # from here on a cell of unclear lineage is erythroid
MIN_NUCLEATED_SHARE: Final = 0.001  # of the counts of a nucleated cell; reticulocytes have half of it
MIN_NUCLEATED_SHOWN: Final = 3  # different genes
MIN_DIVIDING_SHARE: Final = 0.005  # of the counts; ambient RNA in red cells brings less than half of it
MIN_DIVIDING_SHOWN: Final = 5
MAX_LEUKOCYTE_SHARE: Final = 2e-4  # of the counts, PTPRC in a CD45- cell; two counts are no sign of it either
MIN_RESIDUAL_COUNTS: Final = 15  # of a reticulocyte; a red cell has next to no RNA but haemoglobin
MIN_GENES: Final = 3  # of a list among the genes of the data, for the list to say that a cell lacks them
MIN_HAEMOGLOBIN_COUNTS: Final = 3
MAX_FOLD_AMBIENT: Final = (
    5.0  # a cell of little RNA holds a multiple of the sample's mean share of ambient RNA
)


def erythroid_kinds(
    counts: csr_matrix,
    genes: Sequence[str],
    metrics: pd.DataFrame,
    *,
    ambient_hb_share: float = float("nan"),
) -> NDArray[np.object_]:
    """Say what the haemoglobin of each cell means.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    genes
        Gene symbols, human or mouse.
    metrics
        n_counts, pct_hb and provisional_lineage of the same cells.
    ambient_hb_share
        Share of a mean cell's counts that is haemoglobin of ambient RNA, 0 to 1; nan when it is not known.

    Returns
    -------
    One of `KINDS` per cell: `nucleated_erythroid` for erythroid cells with the genes of nucleated stages and
    without PTPRC; `reticulocyte` and `red_cell` for those without; `ambient_haemoglobin` for other cells
    whose haemoglobin ambient RNA explains (or, when that is not known, that hold less than a tenth); empty
    for cells with next to no haemoglobin, for haemoglobin that nothing explains, and where the genes cannot
    tell.
    """
    n_counts = metrics["n_counts"].to_numpy(dtype=np.float64)
    lists = {"nucleated": NUCLEATED_GENES, "dividing": DIVIDING_GENES, "residual": RESIDUAL_GENES}
    lists["leukocyte"] = _LEUKOCYTE_GENE
    members = _members(genes, lists)
    sums, n_shown = sum_sets(counts, np.stack([*members.values(), in_family(genes, "hb")], axis=1))
    of_lists, haemoglobin = dict(zip(lists, sums.T, strict=False)), sums[:, -1] / np.maximum(n_counts, 1)
    nucleated = _nucleated(of_lists, dict(zip(lists, n_shown.T, strict=False)), n_counts)
    can_tell = bool(members["nucleated"].sum() >= MIN_GENES)
    ambient = _ambient(haemoglobin, n_counts, ambient_hb_share)
    erythroid = _erythroid(metrics, haemoglobin)
    taken_up = ambient & ~erythroid
    if ambient_hb_share > 0:
        taken_up |= ambient & ~nucleated
    return np.select(
        [
            taken_up,
            erythroid & nucleated,
            ~erythroid | np.full(len(metrics), not can_tell),
            of_lists["residual"] >= MIN_RESIDUAL_COUNTS,
        ],
        [AMBIENT, NUCLEATED, "", RETICULOCYTE],
        default=RED_CELL,
    ).astype(object)


def _erythroid(metrics: pd.DataFrame, haemoglobin: Floats) -> Mask:
    lineages = metrics[PROVISIONAL_LINEAGE].to_numpy(dtype=object)
    rich = (lineages == UNCLEAR) & (haemoglobin >= MIN_HAEMOGLOBIN_SHARE)
    return np.asarray((lineages == ERYTHROID) | rich)


def _members(genes: Sequence[str], lists: dict[str, str]) -> dict[str, Mask]:
    """Say of each list of human symbols which genes are on it, in any case."""
    list_of = {symbol: name for name, symbols in lists.items() for symbol in symbols.split()}
    of_gene = np.array([list_of.get(gene.upper(), "") for gene in genes], dtype=object)
    return {name: np.asarray(of_gene == name, dtype=bool) for name in lists}


def _nucleated(sums: dict[str, Floats], shown: dict[str, NDArray[np.int64]], n_counts: Floats) -> Mask:
    """Say which cells show the genes of nucleated stages."""
    shares = {name: part / np.maximum(n_counts, 1) for name, part in sums.items()}
    found = (shares["nucleated"] >= MIN_NUCLEATED_SHARE) & (shown["nucleated"] >= MIN_NUCLEATED_SHOWN)
    found |= (shares["dividing"] >= MIN_DIVIDING_SHARE) & (shown["dividing"] >= MIN_DIVIDING_SHOWN)
    leukocyte = (shares["leukocyte"] > MAX_LEUKOCYTE_SHARE) & (shares["leukocyte"] * n_counts > 2)
    return np.asarray(found & ~leukocyte)


def _ambient(haemoglobin: Floats, n_counts: Floats, ambient_hb_share: float) -> Mask:
    """Say which cells hold haemoglobin, and no more than ambient RNA brings."""
    most = MAX_FOLD_AMBIENT * ambient_hb_share if ambient_hb_share > 0 else MIN_HAEMOGLOBIN_SHARE / 2
    return np.asarray((haemoglobin * n_counts >= MIN_HAEMOGLOBIN_COUNTS) & (haemoglobin <= most))
