"""Further states that are called, those that exclude each other, and sets that are only scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stietime.cells.states.rules import RULES, StateRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

_PROTEIN_OF_MACROPHAGES: Final = (
    "Called cells whose protein or function (nitrite, phagocytosis, T-cell suppression) is that of the other "
    "macrophages of the sample, or calls that follow the hours between biopsy and lysis, are no such state."
)

FURTHER_RULES: Final = (
    StateRule(
        state="tpex_tcf7",
        parent="cd8_t",
        unresolved="",
        shared_sets=("t_cell", "cd8_t"),
        reference="parent",
        limit="TCF7 and the lack of GZMB and PRF1 are those of naive and memory cells, so that TCF7 is asked "
        "for and adds nothing; not the same cells as Texp (GZMK+), and both may be called",
        falsifier="Called cells without PD-1 and TOX protein, or that share no T-cell receptor with "
        "exhausted cells of the tumour, are naive or memory cells.",
        left_out=("TCF7", "GZMB", "PRF1"),
    ),
    StateRule(
        state="tex_term",
        parent="cd8_t",
        unresolved="",
        shared_sets=("t_cell", "cd8_t"),
        reference="parent",
        limit="newly activated cells show co-inhibitory receptors too; a cell that is likelier Texp or Tpex "
        "is called that",
        falsifier="Called cells that make IFN-gamma and TNF when stimulated, or lose the receptors in rest, "
        "are activated and not exhausted.",
    ),
    StateRule(
        state="th_cxcl13",
        parent="cd4_t",
        unresolved="",
        shared_sets=("t_cell", "cd4_t"),
        reference="parent",
        limit="follicular helper cells differ by CXCR5, which is rarely detected; says nothing of a lymphoid "
        "structure, which only sections show",
        falsifier="Called cells with CXCR5 protein are follicular helper cells; called cells in blood above "
        "a trace speak against the rule.",
    ),
    StateRule(
        state="m1_macrophage",
        parent="macrophage",
        unresolved="",
        shared_sets=(),
        reference="parent",
        limit="M1 and M2 genes stand in the same cells of human tumours: a cell may be called both and is "
        "then counted as mixed; IL1B, TNF and SOCS3 rise in dissociation",
        falsifier=_PROTEIN_OF_MACROPHAGES,
    ),
    StateRule(
        state="m2_macrophage",
        parent="macrophage",
        unresolved="",
        shared_sets=(),
        reference="parent",
        limit="relative to the other macrophages of the cohort; Kupffer and alveolar macrophages have these "
        "genes by nature; a cell may be called M1 as well and is then counted as mixed",
        falsifier=_PROTEIN_OF_MACROPHAGES,
    ),
    StateRule(
        state="spp1_macrophage",
        parent="macrophage",
        unresolved="",
        shared_sets=(),
        reference="parent",
        limit="SPP1 is made by malignant cells and cholangiocytes and is ambient RNA near them",
        falsifier="Called cells without SPP1 protein in a section, or in samples whose ambient RNA holds as "
        "much SPP1, show the RNA of their neighbours.",
    ),
    StateRule(
        state="c1qc_macrophage",
        parent="macrophage",
        unresolved="",
        shared_sets=(),
        reference="parent",
        limit="most tumour macrophages express C1Q: those are called that have several times the C1Q of the "
        "others, so a cohort of C1QC+ macrophages only has none",
        falsifier="Calls that follow the depth of cells or the ambient RNA of a sample are no state.",
    ),
    StateRule(
        state="ido1_macrophage",
        parent="macrophage",
        unresolved="",
        shared_sets=(),
        reference="parent",
        limit="IDO1 is highest in mature dendritic cells, which may be taken for macrophages; mRNA is not "
        "kynurenine",
        falsifier="Called cells with CLEC9A, XCR1 or LAMP3, or without IDO1 protein, are dendritic cells or "
        "respond to interferon only.",
    ),
    StateRule(
        state="n1_neutrophil",
        parent="neutrophil",
        unresolved="",
        shared_sets=("neutrophil",),
        reference="parent",
        limit="no accepted human signature: interferon-stimulated and activated neutrophils look alike; a "
        "cell may be called N2 as well and is then counted as mixed",
        falsifier="Called cells that do not kill tumour cells, or as frequent in the blood of donors with a "
        "viral infection, are interferon-stimulated neutrophils.",
    ),
    StateRule(
        state="n2_neutrophil",
        parent="neutrophil",
        unresolved="",
        shared_sets=("neutrophil",),
        reference="parent",
        limit="no accepted human signature, and OLR1 and ARG1 are those of PMN-MDSC: a cell may "
        "be called both",
        falsifier="Called cells that do not suppress T cells or further vessels are aged or activated "
        "neutrophils (CXCR4, MMP9).",
    ),
)
EVERY_RULE: Final = (*RULES, *FURTHER_RULES)

# either call takes a cell away from the other: each holds the other's genes as negative ones
EXCLUSIVE: Final = (("texp", "tex_term"), ("tpex_tcf7", "tex_term"))
# opposed in the reviews, found together in tumours: both calls stand, and such cells are counted as mixed
MIXED: Final = (("m1_macrophage", "m2_macrophage"), ("n1_neutrophil", "n2_neutrophil"))

_NO_PARENT: Final = (
    "it is found in every lineage and at every level: there is no parent whose other cells are without it"
)
SCORED_ONLY: Final = {
    "type_i_ifn_response": _NO_PARENT,
    "ifng_response": _NO_PARENT,
    "cgas_sting": f"{_NO_PARENT}; activity is post-translational, read its outputs (CXCL10, CCL5)",
    "tgf_beta_response": f"{_NO_PARENT}; targets differ between cell types",
    "hypoxia_hif": f"{_NO_PARENT}; glycolytic genes rise with growth as well",
    "nfkb_tnfa": f"{_NO_PARENT}; dissociation induces it",
    "ido_kynurenine": f"{_NO_PARENT}; enzyme activity is not mRNA (IDO1+ macrophages are called)",
    "damp_icd": f"{_NO_PARENT}; release of danger signals is not mRNA, and heat shock genes are those of "
    "dissociation",
    "csc": "no universal transcripts of stemness, and malignant cells need copy numbers",
    "csc_lung": "no universal transcripts of stemness, and malignant cells need copy numbers",
    "csc_hcc": "no universal transcripts of stemness, and malignant cells need copy numbers",
    "csc_npc": "no universal transcripts of stemness, and malignant cells need copy numbers",
    "tls": "a structure of tissue: sections show it, single cells do not (CXCL13+ helper cells are called)",
    "dc_mature": "it is a cell type here (dc), found with the other types",
    "tex": "any stage together: Texp, Tpex and terminal Tex are called apart",
    "tex_s1_quiescent_resident": "stages were defined in mice and overlap; the docs say how far they follow",
    "tex_s2_proliferative_circulating": "the genes of dividing cells outweigh all others",
    "tex_s3_circulating_cytotoxic": "ordinary CX3CR1+ effector cells have the same genes",
    "tex_s4_terminal_resident": "terminal Tex is called by tex_term, which has the human genes",
}


def keep_the_likelier(called: Mapping[str, Mask], evidence: Mapping[str, Floats]) -> dict[str, Mask]:
    """Take calls away from cells that are called as two states which exclude each other.

    Evidence of either is the log-likelihood ratio against the same cells without a state, so that the larger
    one is the likelier state; cells of equal evidence keep the first.

    Parameters
    ----------
    called
        For each state of one parent whether each of its cells is called.
    evidence
        The evidence of the same cells.

    Returns
    -------
    The calls that stay, of all states given.
    """
    found = {state: mask.copy() for state, mask in called.items()}
    for first, second in EXCLUSIVE:
        if first in called and second in called:
            both = called[first] & called[second]
            first_wins = evidence[first] >= evidence[second]
            found[first] &= ~(both & ~first_wins)
            found[second] &= ~(both & first_wins)
    return found
