"""Gene families that are told by their symbols, human or mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# symbols are matched whole and in any case, so that HBEGF, HBP1, HBS1L (not haemoglobins) and RPS6KA1 (a
# kinase) stay out
FAMILIES: Final = {
    "mito": r"MT-.+",
    "ribo": r"RP[LS]\d+(A|L|X|AL|L\d|Y\d)?|RPLP\d|RPSA",
    "hb": r"HB(A\d|B|D|E1|G[12]|M|Q1|Z)|HBA-(A\d|X)|HBB-(B[ST\d]|BH\d|Y)|HBQ1[AB]",
    "receptor_segment": r"TR[ABGD][VDJ]\d.*|IG[HKL][VDJ]\d.*",
    # what dissociation induces: immediate early genes and heat shock proteins that are both in the programme
    # of van den Brink et al. (Nature Methods 2017, mouse) and in the core set of O'Flanagan et al. (Genome
    # Biology 2019, human); genes of both that stand for a cell's kind, an inflammation or housekeeping
    # (chemokines, SOCS3, UBC) are left out
    "stress": (
        r"FOSB?|JUN[BD]?|EGR[12]|ATF3|IER[235]|DUSP1|BTG2|ZFP36(L[12])?|NR4A1|KLF[246]|MAFF|MCL1|MYADM|RHOB"
        r"|PPP1R15A|GADD45A|BHLHE40|CSRNP1|NFKBIA|CEBP[BD]|ERRFI1|IFRD1|PHLDA1|TIPARP|BAG3"
        r"|HSP90A(A1|B1)|HSPA(1[AB]|[58])|HSPB1|HSPE1|HSPH1|DNAJ(A1|B[14])"
    ),
}


def in_family(genes: Iterable[str], family: str) -> NDArray[np.bool_]:
    """Say which genes belong to a family.

    Parameters
    ----------
    genes
        Gene symbols, human or mouse.
    family
        One of `FAMILIES`: mito (mitochondrially encoded), ribo (ribosomal proteins), hb (haemoglobins),
        stress (induced by dissociation), receptor_segment (variable, diversity and joining segments of T-
        and B-cell receptors).

    Returns
    -------
    One boolean per gene.
    """
    import re

    pattern = re.compile(FAMILIES[family], flags=re.IGNORECASE)
    return np.array([pattern.fullmatch(gene) is not None for gene in genes], dtype=bool)
