"""Nucleated erythroid cells told from reticulocytes and red cells, by the likelihood of their stage.

Reticulocytes keep a part of an erythroblast's RNA, so that its genes are far above what ambient RNA brings in
them too. What tells is how much is left: `STAGE_LEVELS` are the genes that fall at least 8-fold as sorted
erythroid cells mature (the lists of `quality.erythroid`), in mean counts per million of the stages P5 to P8
of Ludwig et al. (Cell Reports 2019, GSE115684). P5 to P7 are erythroblasts; P8, the last, is taken as the
most RNA of these genes that a reticulocyte may hold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import gammaln, logsumexp

from stietime.cells.marker_sets import positions
from stietime.cells.states.calls import DISPERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.states.calls import StateCall

    Floats = NDArray[np.float64]

STAGES: Final = ("P5", "P6", "P7", "P8")
STAGE_LEVELS: Final = """
    TFRC:7080/5347/2829/662 GYPA:2188/1957/692/126 GYPE:544/466/150/24 RHAG:2581/2917/1423/256
    CD36:2057/1215/330/51 CA1:2084/2283/808/117 CA2:1362/1003/254/71 UROD:2281/2263/844/229
    KEL:453/434/184/45 SPTA1:2261/2838/1486/230 ADD2:534/217/30/6 TMEM14C:422/150/77/51 HMGB1:509/320/53/30
    HMGB2:2475/1778/265/99 HMGN2:726/444/68/34 H2AZ1:823/424/58/27 TUBA1B:504/367/60/8
    TUBB:2121/1317/171/29 STMN1:460/258/31/7 DEK:573/369/74/27 LBR:867/667/161/47 PCNA:441/178/21/12
    PCLAF:271/135/14/4 TYMS:133/68/7/1 TK1:621/285/41/11 MKI67:1056/956/150/16 TOP2A:1655/940/140/21
    RRM2:2118/1191/119/25 CENPF:592/514/89/13 TMPO:797/509/72/10 CBX5:977/494/68/21 DNMT1:332/144/17/4
    NASP:292/118/23/20 UBE2C:356/273/38/9 CDK1:1157/745/99/26 SMC4:402/254/45/23 TPX2:805/573/113/33
    NUSAP1:1146/826/111/16 DTL:285/117/12/4 DLGAP5:450/311/56/6
"""


def stage_levels() -> dict[str, Floats]:
    """Read the share of each stage gene in the RNA of the stages, in the order of `STAGES`."""
    pairs = (item.split(":") for item in STAGE_LEVELS.split())
    return {gene: np.array(levels.split("/"), dtype=np.float64) / 1e6 for gene, levels in pairs}


def stage_genes(genes: Iterable[str]) -> list[str]:
    """Name the stage genes among the genes of a dataset, human or mouse (which are matched in any case)."""
    known = stage_levels()
    return [gene for gene in genes if gene.upper() in known]


def stage_coverage(genes: Iterable[str]) -> float:
    """Give the share of the stage genes that are in a dataset."""
    return len(stage_genes(genes)) / len(stage_levels())


def nucleated_evidence(counts: csr_matrix, totals: Floats, genes: pd.Index) -> Floats:
    """Log-likelihood ratio of a nucleated stage against the last one, of each cell.

    The counts of all stage genes are summed, since what kits detect differs from gene to gene far more than
    in sum. The sum is negative binomial with the mean of the stage and the variance of a sum of independent
    genes of `DISPERSION`; the nucleated stages are equally likely beforehand, and their likelihoods averaged.

    Parameters
    ----------
    counts
        Cells x `genes`.
    totals
        Counts of each cell over all genes, haemoglobin included.
    genes
        Gene symbols of the columns, at least one stage gene among them.
    """
    known, present = stage_levels(), stage_genes(genes)
    levels = np.array([known[gene.upper()] for gene in present])
    summed = np.asarray(counts[:, positions(genes, present)].sum(axis=1), dtype=np.float64).ravel()
    likelihoods = []
    for level in levels.T:
        mean = totals * level.sum()
        size = level.sum() ** 2 / (level**2).sum() / DISPERSION
        chosen = gammaln(summed + size) - gammaln(size)
        likelihoods.append(chosen + summed * np.log(mean / (size + mean)) - size * np.log1p(mean / size))
    *nucleated, last = likelihoods
    evidence: Floats = logsumexp(nucleated, axis=0) - np.log(len(nucleated)) - last
    return evidence


def require_nucleus(call: StateCall, nucleated: Floats) -> StateCall:
    """Call only cells that are nucleated: the weaker of the two kinds of evidence decides.

    Parameters
    ----------
    call
        A call against outside cells, whose threshold is a likelihood ratio.
    nucleated
        As `nucleated_evidence` gives it for the same cells.
    """
    return replace(
        call,
        called=call.called & (nucleated > call.threshold),
        evidence=np.minimum(call.evidence, nucleated),
    )
