"""Sorted blood cells, whose types do not come from expression (Zheng 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from benchmarks.chain_runs import sheet_row
from benchmarks.public_data import DATA, not_found
from benchmarks.record import Figure
from benchmarks.states_runs import SCANPY, find_states, plain_scores
from stietime import names
from stietime.cells.types.validation import validate_types
from stietime.resources import read_markers

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.states_runs import Found

PATH: Final = DATA / "zheng2017_pbmc_facs" / "pbmc_facs_half.h5ad"
CASE: Final = "sorted blood cells (Zheng 2017)"
# what each sort is by the marker table; the CD34+ sort is impure and stands apart
SORTS: Final = {
    "CD19+ B": "b_cell",
    "CD56+ NK": "nk",
    "CD14+ Monocyte": "monocyte",
    "CD8+ Cytotoxic T": "cd8_t",
    "CD8+/CD45RA+ Naive Cytotoxic": "cd8_t",
    "CD4+ T Helper2": "cd4_t",
    "CD4+/CD45RO+ Memory": "cd4_t",
    "CD4+/CD25 T Reg": "cd4_t",
    "CD4+/CD45RA+/CD25- Naive T": "cd4_t",
}
IMPURE: Final = "CD34+"
TREG: Final = "CD4+/CD25 T Reg"
LINEAGES: Final = ("t_cell", "nk", "b_cell", "monocyte")
T_TYPES: Final = ("cd4_t", "cd8_t")
MIN_F1, MIN_BALANCED, MIN_TREG, MAX_ECE = 0.97, 0.80, 0.70, 0.05


def figures(*, quick: bool) -> list[Figure]:
    """Measure lineages, CD4 against CD8, Treg and the calibration.

    Parameters
    ----------
    quick
        Without effect: the data are small.
    """
    del quick
    if not PATH.is_file():
        return [not_found(CASE, "macro-F1 of lineages", f">= {MIN_F1}")]
    found = find_states([sheet_row("zheng", PATH)])
    sort = found.source("celltype")
    pure = (sort != IMPURE).to_numpy()
    truth = sort.map(SORTS)
    scores = plain_scores(found.counts, [*LINEAGES, *T_TYPES, "treg"])
    return [
        _lineages(found, truth, scores, pure),
        *_t_cells(found, truth, scores),
        *_treg(found, sort, truth, scores),
        *_calibration(found, truth, pure),
        *_impure(found, pure),
        Figure(CASE, "share of cells kept by quality control", len(sort) / found.n_loaded, n=found.n_loaded),
    ]


def _figure(metric: str, ours: float, peer: float, least: float, n: int) -> Figure:
    return Figure(CASE, metric, ours, peer, SCANPY, f">= {least}", ours >= least, n)


def _lineages(found: Found, truth: pd.Series, scores: pd.DataFrame, pure: np.ndarray) -> Figure:
    given = truth[pure].replace(dict.fromkeys(T_TYPES, "t_cell"))
    plain = scores.loc[pure, list(LINEAGES)].idxmax(axis=1)
    ours, peer = (
        float(f1_score(given, guess, labels=list(LINEAGES), average="macro", zero_division=0))
        for guess in (found.cells.loc[pure, names.LINEAGE].astype(str), plain)
    )
    return _figure("macro-F1 of T, NK, B and monocytes", ours, peer, MIN_F1, int(pure.sum()))


def _t_cells(found: Found, truth: pd.Series, scores: pd.DataFrame) -> list[Figure]:
    inside = truth.isin(T_TYPES).to_numpy()
    given = truth[inside]
    types = found.cells.loc[inside, names.CELL_TYPE].astype(str)
    plain = scores.loc[inside, list(T_TYPES)].idxmax(axis=1)
    # a T cell that is neither is wrong in both classes
    recalls = [float((types[given == kind] == kind).mean()) for kind in T_TYPES]
    ours, peer = float(np.mean(recalls)), float(balanced_accuracy_score(given, plain))
    told = types.isin(T_TYPES)
    share = float(told.mean())
    return [
        _figure("balanced accuracy of CD4 and CD8 within T", ours, peer, MIN_BALANCED, int(inside.sum())),
        Figure(CASE, "share of T cells that are called CD4 or CD8", share, n=int(inside.sum())),
    ]


def _treg(found: Found, sort: pd.Series, truth: pd.Series, scores: pd.DataFrame) -> list[Figure]:
    inside = (truth == "cd4_t").to_numpy()
    given, cells = (sort[inside] == TREG).to_numpy(), found.cells[inside]
    peer, n = float(roc_auc_score(given, scores.loc[inside, "treg"])), int(inside.sum())
    shown = cells[names.evidence_column("treg")].astype(float)
    alone = float(roc_auc_score(given, shown.fillna(shown.min())))
    both = shown + cells[names.likeness_column("treg")].astype(float)
    ours = float(roc_auc_score(given, both.fillna(both.min())))
    score = float(roc_auc_score(given, cells[names.score_column("treg")]))
    called = found.called("treg")[inside]
    return [
        _figure("AUROC of evidence and likeness for Treg within CD4", ours, peer, MIN_TREG, n),
        Figure(CASE, "AUROC of the evidence alone", alone, peer, SCANPY, n=n),
        Figure(CASE, "AUROC of score_treg within CD4", score, peer, SCANPY, n=n),
        Figure(CASE, "share of sorted Treg called", float(called[given].mean()), n=int(given.sum())),
        Figure(CASE, "share of other CD4 called Treg", float(called[~given].mean()), n=int((~given).sum())),
    ]


def _calibration(found: Found, truth: pd.Series, pure: np.ndarray) -> list[Figure]:
    parents = read_markers().groupby("set_id")["parent"].first()
    tables = validate_types(found.cells[pure], truth[pure], parents)
    whole = tables.scores[tables.scores["label"] == "all"].set_index("level")
    errors, counted = whole["calibration_error"].astype(float), whole["n"].astype(int)
    # of the level of types, only T cells have a sort that tells the type
    return [
        Figure(
            CASE,
            f"expected calibration error of {level}",
            float(errors[level]),
            target=f"<= {MAX_ECE}",
            met=bool(errors[level] <= MAX_ECE),
            n=int(counted[level]),
        )
        for level in (names.LINEAGE, names.CELL_TYPE)
    ]


def _impure(found: Found, pure: np.ndarray) -> list[Figure]:
    """Say what the cells of the impure sort are taken for."""
    shares = found.cells.loc[~pure, names.LINEAGE].astype(str).value_counts(normalize=True)
    n = int((~pure).sum())
    return [
        Figure(f"{CASE}, CD34+ sort", f"share found as {lineage}", float(share), n=n)
        for lineage, share in shares.items()
        if share >= 0.01
    ]
