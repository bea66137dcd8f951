"""Doublets beside Scrublet: ranks, calls, losses and time on simulated captures and on labelled cells."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from scipy import sparse

from benchmarks.public_data import DATA
from benchmarks.record import NAN, Figure

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np
    from numpy.typing import NDArray

    from stietime.cells.doublets.captures import Doublets

    Vector = NDArray[np.float64]
    Mask = NDArray[np.bool_]

SCRUBLET: Final = "scanpy.pp.scrublet, defaults"
SEED: Final = 101
SHARE: Final = 0.04
LARGE: Final = 60_000
COHORT_PATIENTS: Final = 2  # of four captures each
COHORT_SEED: Final = 31
MAX_LOSS: Final = 0.03
MIN_CELLS_OF_LINEAGE: Final = 30
HASHTAGS: Final = Path("scds_cellhashing_cell_lines") / "chcl_half.h5ad"


class _Facts(TypedDict):
    n: int
    seed: int


def figures(*, quick: bool) -> list[Figure]:
    """Measure doublet detection, ours and Scrublet's in the same process.

    Parameters
    ----------
    quick
        Small captures only.
    """
    cases = [
        (environment, n)
        for n in ((500,) if quick else (500, 2000, 10_000))
        for environment in ("STIE", "TIME")
    ]
    found = [figure for environment, n in cases for figure in _simulated(environment, n)]
    found += _hashtags()
    if quick:
        return found
    found += [figure for environment, n in cases for figure in _other_shares(environment, n)]
    return [*found, *_lineages(), *_large()]


def _simulate(environment: str, n_cells: int, share: float = SHARE) -> tuple[ad.AnnData, Mask, Mask]:
    """Simulate a capture; which cells are doublets of two lineages, and which are these or single."""
    from stietime.simulate.cohort import Artefacts, Sample, simulate_sample
    from stietime.simulate.reference import read_populations

    cells = simulate_sample(
        Sample("p1", environment, "before"), n_cells, SEED, Artefacts(doublet_share=share)
    )
    kind = cells.obs["true_kind"].astype(str).to_numpy()
    partner = cells.obs["true_partner"].astype(str).map(read_populations()["lineage"]).astype(str).to_numpy()
    heterotypic = (kind == "doublet") & (partner != cells.obs["true_lineage"].astype(str).to_numpy())
    return cells, heterotypic, heterotypic | (kind == "cell")


def _ours(cells: ad.AnnData, rate_per_1000_cells: float | None = None) -> tuple[Doublets, float]:
    from stietime.cells.doublets.captures import score_captures

    start = time.perf_counter()
    counts = sparse.csr_matrix(cells.X)
    return score_captures(
        counts, cells.var_names, rate_per_1000_cells=rate_per_1000_cells
    ), time.perf_counter() - start


def _scrublet(cells: ad.AnnData) -> tuple[Vector, float]:
    import scanpy as sc

    cells = cells.copy()
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.scrublet(cells, verbose=False, random_state=0)
    return cells.obs["doublet_score"].to_numpy(), time.perf_counter() - start


def _auroc(truth: Mask, scores: Vector) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores))


def _simulated(environment: str, n_cells: int) -> list[Figure]:
    cells, truth, judged = _simulate(environment, n_cells)
    (ours, _), (peer, _) = _ours(cells), _scrublet(cells)
    area, peer_area = _auroc(truth[judged], ours.scores[judged]), _auroc(truth[judged], peer[judged])
    case = f"simulated {environment}, {n_cells} cells, {SHARE:.0%} doublets"
    facts = _Facts(n=int(truth.sum()), seed=SEED)
    target = ">= 0.95 and >= peer"
    met = area >= 0.95 and area >= peer_area
    called = ours.called[judged]
    return [
        Figure(case, "AUROC of heterotypic doublets", area, peer_area, SCRUBLET, target, met=met, **facts),
        Figure(case, "share of heterotypic doublets called", float(ours.called[truth].mean()), **facts),
        Figure(case, "share of calls that are doublets", float(truth[judged][called].mean()), **facts),
    ]


def _other_shares(environment: str, n_cells: int) -> list[Figure]:
    """Measure calls where there are no doublets, and twice as many as in the other captures."""
    clean, _, _ = _simulate(environment, n_cells, 0.0)
    share = float(_ours(clean)[0].called.mean())
    case = f"simulated {environment}, {n_cells} cells, no doublets"
    none = Figure(case, "share called", share, target="<= 0.01", met=share <= 0.01, n=n_cells, seed=SEED)
    cells, truth, judged = _simulate(environment, n_cells, 2 * SHARE)
    called = _ours(cells)[0].called
    case, facts = (
        f"simulated {environment}, {n_cells} cells, {2 * SHARE:.0%} doublets",
        _Facts(n=int(truth.sum()), seed=SEED),
    )
    recall, precision = float(called[truth].mean()), float(truth[judged][called[judged]].mean())
    return [
        none,
        Figure(
            case, "share of heterotypic doublets called", recall, target=">= 0.7", met=recall >= 0.7, **facts
        ),
        Figure(
            case,
            "share of calls that are doublets",
            precision,
            target=">= 0.8",
            met=precision >= 0.8,
            **facts,
        ),
    ]


def _lineages() -> list[Figure]:
    """Measure the single cells of each lineage that are called, over the captures of a small cohort."""
    import pandas as pd

    from stietime.simulate.cohort import design, simulate_sample

    parts = []
    for sample in design(COHORT_PATIENTS):
        cells = simulate_sample(sample, 500, COHORT_SEED)
        called = _ours(cells)[0].called
        single = cells.obs["true_kind"].to_numpy() == "cell"
        lineage = cells.obs["true_lineage"].to_numpy()
        parts.append(pd.DataFrame({"lineage": lineage[single], "called": called[single]}))
    table = pd.concat(parts).groupby("lineage")["called"].agg(["size", "mean"])
    case = f"simulated cohort, {4 * COHORT_PATIENTS} captures of 500 cells"
    return [
        Figure(
            case,
            f"share of single {lineage} cells called",
            float(mean),
            target=f"<= {MAX_LOSS}",
            met=mean <= MAX_LOSS,
            n=int(size),
            seed=COHORT_SEED,
        )
        for lineage, (size, mean) in table.iterrows()
        if size >= MIN_CELLS_OF_LINEAGE
    ]


def _hashtags() -> list[Figure]:
    import anndata as ad

    case, metric, target = (
        "hashtag-labelled cell lines (chcl, 2,000 genes)",
        "AUROC of labelled doublets",
        ">= peer + 0.01",
    )
    path = DATA / HASHTAGS
    if not path.is_file():
        return [Figure(f"{case}: data missing", metric, NAN, peer_name=SCRUBLET, target=target, met=False)]
    cells = ad.read_h5ad(path)
    cells = cells[cells.obs["hto_classification_global"] != "Negative"].copy()
    truth = (cells.obs["hto_classification_global"] == "Doublet").to_numpy()
    (ours, _), (peer, _) = _ours(cells, rate_per_1000_cells=0.1), _scrublet(cells)
    area, peer_area = _auroc(truth, ours.scores), _auroc(truth, peer)
    met = area >= peer_area + 0.01
    return [Figure(case, metric, area, peer_area, SCRUBLET, target, met=met, n=int(truth.sum()), seed=1)]


def _large() -> list[Figure]:
    cells, truth, judged = _simulate("TIME", LARGE, 0.08)
    (ours, seconds), (peer, peer_seconds) = _ours(cells), _scrublet(cells)
    area, peer_area = _auroc(truth[judged], ours.scores[judged]), _auroc(truth[judged], peer[judged])
    case, facts = f"simulated TIME, {LARGE} cells, 8% doublets", _Facts(n=int(truth.sum()), seed=SEED)
    met = seconds <= 0.5 * peer_seconds
    return [
        Figure(
            case, "seconds", seconds, peer_seconds, SCRUBLET, "<= half of peer", met=met, n=LARGE, seed=SEED
        ),
        Figure(
            case,
            "AUROC of heterotypic doublets",
            area,
            peer_area,
            SCRUBLET,
            ">= peer",
            area >= peer_area,
            **facts,
        ),
    ]
