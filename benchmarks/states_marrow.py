"""Erythroid cells of marrow that their authors staged, and mouse spleen sorted into wells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import anndata as ad
import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, roc_auc_score

from benchmarks.chain_runs import sheet_row
from benchmarks.public_data import DATA, MARROW, NUCLEATED, not_found
from benchmarks.record import Figure
from benchmarks.states_runs import SCANPY, find_states, plain_scores, rank_of
from stietime import names

if TYPE_CHECKING:
    from benchmarks.states_runs import Found

RETICULOCYTE: Final = "Reticulocyte"
TER: Final = "ter_cell"
# the genes of this file are a random draw, which holds a part of every set
MIN_COVERAGE: Final = 0.2
MIN_F1, MIN_AUROC = 0.95, 0.97
SPLEEN: Final = DATA / "jaitin2014_mouse_spleen_4590" / "jaitin_spleen.h5ad"
GRANULOCYTES: Final = "splenicGr1+CD11b+TCRb-CD19-NK-1.1-"
MYELOID_SETS: Final = ("neutrophil", "pmn_mdsc")


def figures(*, quick: bool) -> list[Figure]:
    """Measure erythroid cells of marrow and granulocytes of mouse spleen.

    Parameters
    ----------
    quick
        The marrow only.
    """
    found = _marrow()
    return found if quick else [*found, *_spleen()]


def _marrow() -> list[Figure]:
    case = "marrow, CITE-seq, 1,811 random genes (Luecken 2021)"
    if not MARROW[0].is_file():
        return [not_found(case, "F1 of the erythroid lineage", f">= {MIN_F1}")]
    found = find_states([sheet_row("marrow", MARROW[0])], {"states": {"min_coverage": MIN_COVERAGE}})
    stage = found.source("cell_type")
    nucleated, reticulocyte = stage.isin(NUCLEATED).to_numpy(), (stage == RETICULOCYTE).to_numpy()
    erythroid = nucleated | reticulocyte
    lineage = found.cells[names.LINEAGE].astype(str) == "erythroid"
    f1 = float(f1_score(erythroid, lineage))
    score = found.cells[names.score_column(TER)].astype(float).to_numpy()
    plain = plain_scores(found.counts, [TER, "reticulocyte"])
    coverage = f"{found.fact(TER, 'coverage'):.0%} of the set's genes"
    return [
        Figure(
            case, "F1 of the erythroid lineage", f1, target=f">= {MIN_F1}", met=f1 >= MIN_F1, n=len(stage)
        ),
        _area(
            case,
            f"AUROC of score_ter_cell, nucleated erythroblasts against non-erythroid cells ({coverage})",
            (score, plain[TER].to_numpy()),
            nucleated,
            nucleated | ~erythroid,
            MIN_AUROC,
        ),
        *_against_reticulocytes(case, found, score, plain, nucleated, erythroid),
        *_protein(case, found, score, plain[TER].to_numpy()),
    ]


def _area(
    case: str,
    metric: str,
    scores: tuple[np.ndarray, np.ndarray],
    truth: np.ndarray,
    among: np.ndarray,
    least: float | None = None,
) -> Figure:
    ours, peer = (float(roc_auc_score(truth[among], values[among])) for values in scores)
    target, met = ("", None) if least is None else (f">= {least}", ours >= least)
    return Figure(case, metric, ours, peer, SCANPY, target, met, int(among.sum()))


def _against_reticulocytes(
    case: str,
    found: Found,
    score: np.ndarray,
    plain: pd.DataFrame,
    nucleated: np.ndarray,
    erythroid: np.ndarray,
) -> list[Figure]:
    """Erythroblasts against reticulocytes, by the Ter cells' score less that of reticulocytes."""
    pair = (score, plain[TER].to_numpy())
    rows = [
        _area(
            case, "AUROC of score_ter_cell, erythroblasts against reticulocytes", pair, nucleated, erythroid
        )
    ]
    column = names.score_column("reticulocyte")
    if column in found.cells:
        other = found.cells[column].astype(float).to_numpy()
        differences = (score - other, (plain[TER] - plain["reticulocyte"]).to_numpy())
        metric = "the same by score_ter_cell - score_reticulocyte"
        rows.append(_area(case, metric, differences, nucleated, erythroid))
    for name, cells in (
        ("nucleated erythroblasts", nucleated),
        ("reticulocytes", erythroid & ~nucleated),
        ("non-erythroid cells", ~erythroid),
    ):
        metric = f"share of {name} called Ter cells"
        rows.append(Figure(case, metric, found.share_called(TER, cells), n=int(cells.sum())))
    return rows


def _protein(case: str, found: Found, score: np.ndarray, plain: np.ndarray) -> list[Figure]:
    """Rank correlation of the score with CD71 protein, over all cells."""
    file = ad.read_h5ad(MARROW[0])
    protein = cast("pd.DataFrame", file.obsm["protein_counts"])
    values = cast("pd.DataFrame", np.log1p(protein))
    clr = pd.Series((values["CD71"] - values.mean(axis=1)).to_numpy(), index=file.obs_names)
    barcode = found.cells.index.str.partition(":").get_level_values(2)
    given = clr.reindex(barcode).to_numpy()
    ours, peer = (float(spearmanr(values, given).statistic) for values in (score, plain))
    metric = "rank correlation of score_ter_cell with CD71 protein (centred log ratio)"
    return [Figure(case, metric, ours, peer, SCANPY, n=len(given))]


def _spleen() -> list[Figure]:
    case = "mouse spleen, sorted into wells (Jaitin 2014)"
    if not SPLEEN.is_file():
        return [not_found(case, "rank of Gr1+ CD11b+ wells by their mean score", "1")]
    row = sheet_row("spleen", SPLEEN, subset="number_of_cells=1", species="mouse", tissue="spleen")
    found = find_states([row])
    sort = found.source("sorting_markers")
    plain = plain_scores(found.counts, list(MYELOID_SETS), "mouse")
    rows = []
    for name in MYELOID_SETS:
        score = found.cells[names.score_column(name)].astype(float)
        ours, peer = (rank_of(GRANULOCYTES, values, sort) for values in (score, plain[name]))
        metric = f"rank of Gr1+ CD11b+ wells by their mean score_{name}"
        n = int((sort == GRANULOCYTES).sum())
        rows.append(Figure(case, metric, ours, peer, SCANPY, "1", ours == 1, n))
    shares = found.cells.loc[(sort == GRANULOCYTES).to_numpy(), names.LINEAGE].astype(str)
    for lineage, share in shares.value_counts(normalize=True).items():
        rows.append(
            Figure(case, f"share of Gr1+ CD11b+ wells found as {lineage}", float(share), n=len(shares))
        )
    kept = len(found.cells) / found.n_loaded
    return [*rows, Figure(case, "share of wells kept by quality control", kept, n=found.n_loaded)]
