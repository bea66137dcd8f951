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
}


def in_family(genes: Iterable[str], family: str) -> NDArray[np.bool_]:
    """Say which genes belong to a family.

    Parameters
    ----------
    genes
        Gene symbols, human or mouse.
    family
        One of `FAMILIES`: mito (mitochondrially encoded), ribo (ribosomal proteins), hb (haemoglobins),
        receptor_segment (variable, diversity and joining segments of T- and B-cell receptors).

    Returns
    -------
    One boolean per gene.
    """
    import re

    pattern = re.compile(FAMILIES[family], flags=re.IGNORECASE)
    return np.array([pattern.fullmatch(gene) is not None for gene in genes], dtype=bool)
