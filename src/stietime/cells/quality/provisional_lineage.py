"""A first guess at the lineage of each cell, before any cell is dropped.

Every cell is judged on its own counts, so the guess does not depend on which other cells are in the file. A
marker that a lineage has makes up a known share of the lineage's RNA (`LEVELS`, orders of magnitude read off
sorted and labelled cells: Zheng 2017, Zilionis 2019) and at most `BACKGROUND` of that share in other cells,
which leaves room for ambient RNA. The log-likelihood ratio of the two, with negative binomial counts, is
what the gene says about the lineage:

``x log(m / (m + s) (b + s) / b) - s (log(1 + m / s) - log(1 + b / s))``

with x the count, m the count expected in the lineage, b = `BACKGROUND` m and s = 1 / `DISPERSION`. Ratios of
the markers of a lineage add up to its evidence; genes that a lineage shares with others (`ALSO`) count
`ALSO_WEIGHT` when they speak for it and nothing when they do not. A cell of little RNA has little evidence
against any lineage, so few genes are enough for a neutrophil, and a dying cell is `unclear` rather than
wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from stietime.cells.cell_sums import sum_markers
from stietime.cells.cell_types import ERYTHROID, LINEAGES, SETS, WITHIN_LINEAGE
from stietime.cells.gene_families import in_family
from stietime.names import UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

DEFAULT_LEVEL: Final = 5.0
LEVELS: Final = {  # counts per 10,000 in cells of the lineage; other markers have the default level
    20.0: """NKG7 GNLY PRF1 KLRD1 FCER1G TRAC CD79A MZB1 XBP1 FCN1 VCAN S100A12 CD14 LST1 FCGR3A C1QA C1QB
        APOE SPIB TCF4 GZMB CSF3R FCGR3B CXCR2 G0S2 CMTM2 KIT MS4A2 GATA2 HDC CLC FCER1A CPA3 TPSAB1 TPSB2
        KRT8 KRT18 KRT19 DCN LUM RGS5 PECAM1 CD83 BIRC3 HLA-DQA1 TUBB1 GNG11 CA1 CCL21 TTR""",
    100.0: """S100A8 S100A9 LYZ JCHAIN IGHG1 IGHA1 COL1A1 COL1A2 COL3A1 PF4 PPBP ALB APOA1 APOA2 APOC3
        AHSP ALAS2""",
    3000.0: "haemoglobin",
}
HAEMOGLOBIN: Final = "haemoglobin"  # all its genes together: alpha and beta say the same
BACKGROUND: Final = 0.05
DISPERSION: Final = 1.0
ALSO_WEIGHT: Final = 0.75
# markers of other sets that cells of this set may show; human symbols, mouse ones are matched in any case
ALSO: Final = {
    "t_cell": """NKG7 GNLY PRF1 GZMB KLRD1 FCER1G KLRF1 NCAM1 FCGR3A CX3CR1 CCR7 BIRC3 FLI1 RELB IRF7 MCAM""",
    "nk": "CD247 CD2 CD3E GZMB FCGR3A CX3CR1 BIRC3 KIT FLI1 IRF7 LST1",
    "b_cell": """HLA-DQA1 CD83 CCR7 CD40 SPIB IRF8 TCF4 JCHAIN BIRC3 RELB WDFY4 IGHA1 IGHG1 MZB1 IRF7 XBP1
        CD1C""",
    "plasma": "CD79A CD79B SPIB HLA-DQA1 IRF7",
    "mono_cd14": """CSF3R G0S2 FCER1G LST1 CD68 CSF1R MAFB MS4A7 CD163 RHOC CD83 IRF7 HLA-DQA1 FFAR2 RELB
        BIRC3 CX3CR1 CLEC10A FLI1 MSR1 APOE C1QA MRC1 FCGR3A""",
    "mono_cd16": """CSF3R FCER1G LYZ FCN1 S100A8 S100A9 S100A12 CD68 CSF1R MAFB HLA-DQA1 CD14 C1QA FCGR3B
        CMTM2 IRF7""",
    "macrophage": """CD14 LYZ S100A8 S100A9 S100A12 FCN1 FCER1G LST1 FCGR3A MS4A7 G0S2 CD83 HLA-DQA1 VCAN
        CSF3R CD40 RELB BIRC3 RHOC CCR2 CLEC10A DCN NDUFA4L2""",
    "cdc1": "HLA-DQA1 CCR7 CD83 LYZ LST1 RELB CD40 SPIB",
    "cdc2": """LYZ CD83 LST1 FCER1G FCN1 S100A8 S100A9 CSF1R MAFB CD14 VCAN CCR2 RELB CD40 FCGR3A CD68 IRF8
        IRF7""",
    "dc_mature": "HLA-DQA1 IDO1 IRF8 LYZ LST1 FLT3 CD1E BATF3 CADM1 IL3RA G0S2",
    "pdc": """IRF8 FCER1G MZB1 CD83 XBP1 DERL3 HLA-DQA1 FLT3 BIRC3 RELB WDFY4 CD79A CD79B CLEC10A FCER1A CCR7
        CCR2 PRF1""",
    "neutrophil": "LST1 FCGR3A FCER1G LYZ CD83 FCN1 BIRC3 RELB CD68",
    "mast": "CD83 BIRC3 FCER1G FCER1A CLC ENPP3 G0S2 GATA1 IL3RA",
    "basophil": "FCER1G CPA3 KIT CD83 BIRC3 ITGA2B HPGDS",
    "platelet": "FLI1 ITGA2B ITGB3 SELP RGS18 MPL PECAM1",
    "megakaryocyte": "PPBP TUBB1 GP1BB GNG11 GATA2 TREML1 CLEC1B PECAM1",
    "ter_cell": "CA1 HEMGN",
    "epithelial": "APOE TTR SDC1 CADM1 PDPN G0S2 CD83 XBP1 IDO1",
    "fibroblast": "PDGFRB NOTCH3 PDPN ENG NDUFA4L2 APOE VCAN TCF4 CCL19 APOC1",
    "pericyte": "COL1A1 COL1A2 COL3A1 DCN ENG FBLN1 TCF4 LUM PDGFRA APOE",
    "endothelial": """MCAM NOTCH3 COL1A1 COL1A2 TCF4 HLA-DQA1 CD83 LYVE1 FLT4 FLI1 CDKN1C SELP PDPN HES4 G0S2
        IRF7 CADM1 KIT""",
    "lymphatic_endothelial": "PECAM1 CDH5 CLDN5 RAMP2 ENG EGFL7 CLEC14A VWF KDR",
}
# alarmins: monocytes and neutrophils both have them, and a neutrophil without any is none
FURTHER_MARKERS: Final = {"neutrophil": "S100A8 S100A9 S100A12"}
# lineages whose cells share so much that one cell showing both is no sign of two cells
RELATED: Final = (
    {"t_cell", "nk"},
    {"monocyte", "macrophage", "dc", "neutrophil"},
    {"dc", "pdc"},
    {"b_cell", "plasma", "pdc"},
    {"mast", "basophil"},
    {"fibroblast", "pericyte", "endothelial"},
    {"platelet", "erythroid"},
    {"epithelial", "hepatocyte"},
)
_SETS: Final = {
    **{set_id: lineage for set_id, (_, lineage) in SETS.items() if set_id not in WITHIN_LINEAGE},
    "ter_cell": ERYTHROID,
}
_NO_EVIDENCE: Final = -1e9
_CELLS_PER_BLOCK: Final = 5000
HALF_OF_DOUBLET: Final = 0.4  # share of the RNA of a doublet that its poorer cell is expected to give
MIN_MARKERS: Final = 2  # markers that a cell shows of the lineage it is called
MIN_HAEMOGLOBIN_SHARE: Final = 0.1  # from this share on, haemoglobin alone is enough


@dataclass(frozen=True)
class _Panel:
    """The markers that a dataset holds.

    Parameters
    ----------
    marker_of_gene
        Marker that each gene of the dataset is, or is a part of; -1 where it is none.
    level
        Counts per 10,000 of each marker in its lineage.
    own, also
        Markers x sets: whether it is a marker of the set, or one that its cells may show.
    """

    marker_of_gene: NDArray[np.int64]
    level: Floats
    own: Floats
    also: Floats


def provisional_lineages(
    counts: csr_matrix,
    genes: Sequence[str],
    markers: pd.DataFrame,
    *,
    min_evidence: float = 1.0,
    min_lead: float = 2.0,
) -> NDArray[np.object_]:
    """Guess the lineage of each cell from its own markers.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    genes
        Gene symbols.
    markers
        The marker table: set_id, direction, gene.
    min_evidence
        Log-likelihood ratio against a cell of no lineage, natural logarithm.
    min_lead
        Lead over the second lineage, natural logarithm.

    Returns
    -------
    One of `cell_types.LINEAGES` or `unclear` per cell.
    """
    panel = _panel(genes, markers)
    found = np.full(counts.shape[0], UNCLEAR, dtype=object)
    for rows, seen, ratios, cell_totals in _blocks(counts, panel):
        evidence = _evidence(ratios, panel)
        best = evidence.argmax(axis=1)
        ordered = np.partition(evidence, -2, axis=1)
        clear = (ordered[:, -1] >= min_evidence) & (ordered[:, -1] - ordered[:, -2] >= min_lead)
        shown = _enough_markers(seen, cell_totals, panel)
        clear &= np.take_along_axis(shown, best[:, None], axis=1).ravel()
        found[rows] = np.where(clear, np.array(LINEAGES, dtype=object)[best], UNCLEAR)
    return found


def second_lineage(
    counts: csr_matrix,
    genes: Sequence[str],
    markers: pd.DataFrame,
    *,
    min_evidence: float = 3.0,
    min_markers: int = 3,
) -> Mask:
    """Say which cells clearly show the markers of two lineages that are not related (`RELATED`).

    Only markers count that neither the first lineage nor a lineage related to it has.

    Parameters
    ----------
    counts, genes, markers
        As in `provisional_lineages`.
    min_evidence
        Evidence of each of the two lineages, natural logarithm.
    min_markers
        Different markers that the cell shows of the second lineage; haemoglobin counts only from
        `MIN_HAEMOGLOBIN_SHARE` of the cell's counts on, and is enough then.

    Returns
    -------
    One boolean per cell.
    """
    panel = _panel(genes, markers)
    found = np.zeros(counts.shape[0], dtype=bool)
    for rows, seen, ratios, cell_totals in _blocks(counts, panel):
        evidence = _evidence(ratios, panel)
        best = evidence.argmax(axis=1)
        two = np.zeros(len(best), dtype=bool)
        for first in np.unique(best[evidence.max(axis=1) >= min_evidence]):
            cells = np.flatnonzero((best == first) & (evidence[:, first] >= min_evidence))
            others = _without(panel, LINEAGES[first])
            diluted = _log_ratios(seen[cells], cell_totals[cells], HALF_OF_DOUBLET * others.level)
            enough = _enough_markers(seen[cells], cell_totals[cells], others, min_markers)
            two[cells] = ((_evidence(diluted, others) >= min_evidence) & enough).any(axis=1)
        found[rows] = two
    return found


def _panel(genes: Sequence[str], markers: pd.DataFrame) -> _Panel:
    """Find the markers in the genes; genes of haemoglobin become one marker."""
    haemoglobin = in_family(genes, "hb")
    names = np.where(haemoglobin, HAEMOGLOBIN, [gene.upper() for gene in genes])
    own = {set_id: set[str]() for set_id in _SETS}
    rows = markers[markers["set_id"].isin(_SETS) & (markers["direction"] == "positive")]
    symbols = np.where(in_family(rows["gene"], "hb"), HAEMOGLOBIN, rows["gene"].str.upper())
    for set_id, symbol in zip(rows["set_id"], symbols, strict=True):
        own[set_id].add(str(symbol))
    for set_id, further in FURTHER_MARKERS.items():
        if own[set_id]:
            own[set_id] |= set(further.split())
    wanted = sorted(set().union(*own.values()) & set(names.tolist()))
    at = {name: place for place, name in enumerate(wanted)}
    level = {name: value for value, words in LEVELS.items() for name in words.split()}
    may_show = {set_id: set(ALSO.get(set_id, "").split()) for set_id in _SETS}
    members = _membership(wanted, own)
    return _Panel(
        marker_of_gene=np.array([at.get(name, -1) for name in names], dtype=np.int64),
        level=np.array([level.get(name, DEFAULT_LEVEL) for name in wanted]),
        own=members.astype(np.float64),
        also=(_membership(wanted, may_show) & ~members).astype(np.float64),
    )


def _membership(names: Sequence[str], sets: dict[str, set[str]]) -> Mask:
    found = [[name in members for members in sets.values()] for name in names]
    return np.array(found, dtype=bool).reshape(-1, len(sets))


def _blocks(counts: csr_matrix, panel: _Panel) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
    """Give, block by block of cells: the rows, the counts of the markers, their ratios, the cells' totals."""
    for start in range(0, counts.shape[0], _CELLS_PER_BLOCK):
        rows = slice(start, start + _CELLS_PER_BLOCK)
        seen, cell_totals = sum_markers(counts[rows], panel.marker_of_gene, len(panel.level))
        yield rows, seen, _log_ratios(seen, cell_totals, panel.level), cell_totals


def _log_ratios(seen: Floats, cell_totals: Floats, level: Floats) -> Floats:
    """Work out what each marker says in each cell, natural logarithm; see the formula of the module."""
    size = 1 / DISPERSION
    levels, level_of = np.unique(level, return_inverse=True)
    mean = np.maximum(cell_totals, 1)[:, None] * levels / 1e4
    background = BACKGROUND * mean
    slope = np.log(mean / (mean + size)) - np.log(background / (background + size))
    empty = size * (np.log1p(mean / size) - np.log1p(background / size))
    return np.asarray(seen * slope[:, level_of] - empty[:, level_of])


def _evidence(ratios: Floats, panel: _Panel) -> Floats:
    """Add up what the markers say: cells x lineages, the best set of each lineage."""
    of_sets = ratios @ panel.own + ALSO_WEIGHT * (np.maximum(ratios, 0) @ panel.also)
    of_sets[:, panel.own.sum(axis=0) == 0] = _NO_EVIDENCE
    return _best_of_lineage(of_sets, _NO_EVIDENCE)


def _enough_markers(seen: Floats, cell_totals: Floats, panel: _Panel, least: int = MIN_MARKERS) -> Mask:
    """Say of which lineages a cell shows enough markers: cells x lineages."""
    haemoglobin = panel.level == max(LEVELS)
    rich = (seen[:, haemoglobin].sum(axis=1) >= MIN_HAEMOGLOBIN_SHARE * cell_totals) & (cell_totals > 0)
    shown = (seen > 0) & ~(haemoglobin & ~rich[:, None])
    number = shown.astype(np.float64) @ panel.own
    number[np.ix_(rich, panel.own[haemoglobin].any(axis=0))] += least
    return np.asarray(_best_of_lineage(number, 0.0) >= least)


def _best_of_lineage(of_sets: Floats, nothing: float) -> Floats:
    lineages = np.array(list(_SETS.values()))
    best = [of_sets[:, lineages == lineage].max(axis=1, initial=nothing) for lineage in LINEAGES]
    return np.stack(best, axis=1)


def _without(panel: _Panel, first: str) -> _Panel:
    """Leave only markers that the first lineage and its relatives do not have, and no related lineage."""
    related = {first}.union(*(group for group in RELATED if first in group))
    known = np.array([lineage in related for lineage in _SETS.values()])
    foreign = ~(panel.own[:, known].any(axis=1) | panel.also[:, known].any(axis=1))
    own = panel.own * foreign[:, None] * ~known
    return _Panel(panel.marker_of_gene, panel.level, own, np.zeros_like(own))
