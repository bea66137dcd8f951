"""What quality control drops: dying cells, and cells of each lineage, beside the cuts that tutorials teach.

Only cuts of counts, genes and shares are compared; no method's doublet calls are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.public_data import DATA, MARROW, NUCLEATED, not_found, read_counts
from benchmarks.quality_presets import (
    nf_core_scdownstream,
    sc_best_practices,
    scanpy_tutorial,
    seurat_tutorial,
    seurat_tutorial_haemoglobin,
)
from benchmarks.record import Figure
from stietime.cells.quality.cuts import Limits, find_cuts
from stietime.cells.quality.measures import find_reasons, measure
from stietime.cells.quality.provisional_lineage import provisional_lineages
from stietime.names import KEPT, PROVISIONAL_LINEAGE, UNCLEAR
from stietime.resources import read_markers
from stietime.simulate.cohort import Artefacts, Sample, simulate_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from benchmarks.quality_presets import Mask
    from stietime.simulate.cohort import Environment

LIMITS: Final = Limits()
# per droplet: what is usual, none, and more, up to 30 % of the counts
AMBIENT_UMI: Final = {"STIE": (75, 0, 340, 670, 900), "TIME": (75, 0, 340, 1120, 1350)}
SEEDS: Final = (1, 2)
MIN_CELLS_SHOWN: Final = 10
ZILIONIS: Final = "zilionis_nsclc_blood_tumor_300/zilionis300_counts_recovered.h5ad"
WITHOUT_LABELS: Final = {
    "10x PBMC 3' (Hao 2021)": "hao2021_pbmc_1000_raw/hao_pbmc_1000.h5ad",
    "10x PBMC 3' v2": "pbmc_three_chemistries_10x/1k_PBMC_v2_filt.h5ad",
    "10x PBMC 3' v3": "pbmc_three_chemistries_10x/1k_PBMC_v3_filt.h5ad",
    "10x PBMC 5'": "pbmc_three_chemistries_10x/5prime_PBMC_filt_1kcells.h5ad",
}


def ours(metrics: pd.DataFrame) -> Mask:
    """Drop as the cuts of each provisional lineage do; doublets are left out."""
    return np.asarray(find_reasons(metrics, find_cuts(metrics, LIMITS), LIMITS) != KEPT)


METHODS: Final[dict[str, Callable[[pd.DataFrame], Mask]]] = {
    method.__name__: method
    for method in (
        ours,
        seurat_tutorial,
        seurat_tutorial_haemoglobin,
        scanpy_tutorial,
        sc_best_practices,
        nf_core_scdownstream,
    )
}
PEER: Final = "Seurat tutorial: 200-2,500 genes, < 5 % mitochondrial"


@dataclass(frozen=True)
class Captures:
    """Cells that are judged capture by capture.

    Parameters
    ----------
    obs
        One row per cell: `lineage`, the label that losses are counted by, and `dropped_<method>`; simulated
        cells with what was planted.
    labels
        Where the lineage comes from: planted, authors or provisional.
    """

    obs: pd.DataFrame
    labels: str

    def losses(self, dataset: str) -> pd.DataFrame:
        """Count the loss of each lineage; lineages of few cells are counted together."""
        cells = self.obs
        if self.labels == "planted":
            cells = cells[cells["true_kind"] == "cell"]
        size = cells.groupby("lineage")["lineage"].transform("size")
        few = f"others, fewer than {MIN_CELLS_SHOWN} cells each"
        groups = cells.groupby(cells["lineage"].where(size >= MIN_CELLS_SHOWN, few))
        table = groups[[f"dropped_{name}" for name in METHODS]].mean()
        table.columns = [name.replace("dropped_", "lost_") for name in table.columns]
        table.insert(0, "n_cells", groups.size())
        table = table.sort_values("n_cells", ascending=False, kind="stable").reset_index()
        table.insert(0, "labels", self.labels)
        table.insert(0, "dataset", dataset)
        return table


def _judged(counts: sparse.csr_matrix, genes: Iterable[str]) -> pd.DataFrame:
    """Measure the cells of one capture, and let every method judge them."""
    symbols = list(genes)
    metrics = measure(counts, symbols)
    metrics[PROVISIONAL_LINEAGE] = provisional_lineages(counts, symbols, read_markers("human"))
    return metrics.assign(**{f"dropped_{name}": drop(metrics) for name, drop in METHODS.items()})


@cache
def _simulated(environment: Environment, n_cells: int, ambient: int, quick: bool) -> Captures:  # noqa: FBT001
    """Simulate captures of two patients and two seeds; one of each when quick."""
    parts = []
    for patient in ("p1", "p2")[: 1 if quick else 2]:
        for seed in SEEDS[: 1 if quick else 2]:
            artefacts = Artefacts(0.04, 0.05, ambient, 0.6)
            cells = simulate_sample(Sample(patient, environment, "before"), n_cells, seed, artefacts)
            found = _judged(sparse.csr_matrix(cells.X), cells.var_names)
            truth = cast("pd.DataFrame", cells.obs).reset_index(drop=True)
            parts.append(pd.concat([found, truth], axis=1))
    obs = pd.concat(parts, ignore_index=True)
    kinds = np.where(obs["true_state"] == "ter_cell", "Ter cells", "red cells")
    obs["lineage"] = np.where(obs["true_lineage"] == "erythroid", kinds, obs["true_lineage"])
    return Captures(obs, "planted")


@cache
def _zilionis() -> Captures:
    """Judge blood and tumour each as one capture; the samples of single patients are too small for MADs."""
    counts, genes, obs = read_counts(DATA / ZILIONIS)
    labels = obs["Major.cell.type"].astype(str).to_numpy(dtype=object)
    tissues = obs["Tissue"].astype(str).to_numpy()
    parts = []
    for tissue in np.unique(tissues):
        here = np.flatnonzero(tissues == tissue)
        parts.append(_judged(counts[here], genes).assign(lineage=labels[here]))
    return Captures(pd.concat(parts, ignore_index=True), "authors")


def _without_labels(path: Path) -> Captures:
    counts, genes, _ = read_counts(path)
    found = _judged(counts, genes)
    return Captures(found.assign(lineage=found[PROVISIONAL_LINEAGE]), "provisional")


def _sizes(*, quick: bool) -> tuple[int, ...]:
    return (500,) if quick else (500, 2000)


def lineage_loss_table(*, quick: bool) -> pd.DataFrame:
    """Compare what the cuts take of each lineage.

    Parameters
    ----------
    quick
        Simulate few cells.

    Returns
    -------
    dataset, labels (planted, authors, provisional), lineage, n_cells, and lost_<method>, a share of cells,
    0 to 1. Of simulated droplets, those of one living cell. Data that are not there have no rows.
    """
    tables = []
    n_cells = _sizes(quick=quick)[-1]
    environments: tuple[Environment, ...] = ("STIE", "TIME")
    for environment in environments:
        found = _simulated(environment, n_cells, AMBIENT_UMI[environment][0], quick)
        tables.append(found.losses(f"simulated {environment}"))
    if (DATA / ZILIONIS).is_file():
        tables.append(_zilionis().losses("NSCLC blood and tumour (Zilionis 2019)"))
    for dataset, path in WITHOUT_LABELS.items():
        if (DATA / path).is_file():
            tables.append(_without_labels(DATA / path).losses(dataset))
    return pd.concat(tables, ignore_index=True)


def _at_least(case: str, metric: str, values: tuple[float, float], least: float, n: int) -> Figure:
    met = bool(values[0] >= least)
    return Figure(case, metric, *values, PEER, f">= {least:g}", met, n, seed=SEEDS[0])


def _at_most(case: str, metric: str, values: tuple[float, float], most: float, n: int) -> Figure:
    met = bool(values[0] <= most)
    return Figure(case, metric, *values, PEER, f"<= {most:g}", met, n, seed=SEEDS[0])


def _both(cells: pd.DataFrame) -> tuple[float, float]:
    """Give the share of cells that we drop, and that the peer drops."""
    return float(cells["dropped_ours"].mean()), float(cells["dropped_seurat_tutorial"].mean())


def _simulated_figures(environment: Environment, n_cells: int, ambient: int, *, quick: bool) -> list[Figure]:
    cells = _simulated(environment, n_cells, ambient, quick).obs
    share = 100 * cells["true_ambient_umi"].sum() / cells["n_counts"].sum()
    case = f"simulated {environment}, {n_cells} cells, {share:.0f} % ambient RNA"
    single, alive = cells[cells["true_kind"] != "doublet"], cells[cells["true_kind"] == "cell"]
    dying = single[single["true_kind"] == "dying"]
    dropped = [single[single[name]] for name in ("dropped_ours", "dropped_seurat_tutorial")]
    right = [float((found["true_kind"] == "dying").mean()) for found in dropped]
    clear = alive[alive[PROVISIONAL_LINEAGE] != UNCLEAR]
    accuracy = float((clear[PROVISIONAL_LINEAGE] == clear["true_lineage"]).mean())
    found = [
        _at_least(case, "dying cells dropped (share)", _both(dying), 0.9, len(dying)),
        _at_least(case, "dying among dropped (share)", (right[0], right[1]), 0.9, len(dropped[0])),
        Figure(
            case,
            "right provisional lineage among clear cells (share)",
            accuracy,
            target=">= 0.95",
            met=accuracy >= 0.95,
            n=len(clear),
            seed=SEEDS[0],
        ),
        Figure(
            case, "clear provisional lineage (share)", len(clear) / len(alive), n=len(alive), seed=SEEDS[0]
        ),
    ]
    for lineage, most in (("neutrophil", 0.05), ("Ter cells", 0.05), ("red cells", 0.0)):
        group = alive[alive["lineage"] == lineage]
        if len(group):
            found.append(_at_most(case, f"{lineage} dropped (share)", _both(group), most, len(group)))
    return found


def _marrow_figures() -> list[Figure]:
    """Judge staged erythroid cells; no peer, as the files hold some 1,100 to 1,800 random genes."""
    found = []
    for path in MARROW:
        case, metric = f"marrow, {path.stem} (Luecken 2021)", "staged erythroid cells dropped (share)"
        if not path.is_file():
            found.append(not_found(case, metric, "<= 0"))
            continue
        counts, genes, obs = read_counts(path)
        dropped = _judged(counts, genes)["dropped_ours"].to_numpy()
        staged = obs["cell_type"].astype(str).isin(NUCLEATED).to_numpy()
        lost = float(dropped[staged].mean())
        found.append(Figure(case, metric, lost, target="<= 0", met=lost == 0, n=int(staged.sum())))
    return found


def _zilionis_figures() -> list[Figure]:
    case, metric = "NSCLC blood and tumour (Zilionis 2019)", "neutrophils of the authors dropped (share)"
    if not (DATA / ZILIONIS).is_file():
        return [not_found(case, metric, "<= 0.05")]
    cells = _zilionis().obs
    neutrophils = cells[cells["lineage"].isin(["bNeutrophils", "tNeutrophils"])]
    return [
        _at_most(case, metric, _both(neutrophils), 0.05, len(neutrophils)),
        _at_most(case, "cells of the authors dropped (share)", _both(cells), 0.05, len(cells)),
    ]


def _pbmc_figures() -> list[Figure]:
    found = []
    for case, name in WITHOUT_LABELS.items():
        metric = "cells of a clear provisional lineage dropped (share)"
        if not (DATA / name).is_file():
            found.append(not_found(case, metric, "<= 0.05"))
            continue
        cells = _without_labels(DATA / name).obs
        clear = cells[cells["lineage"] != UNCLEAR]
        found.append(_at_most(case, metric, _both(clear), 0.05, len(clear)))
    return found


def figures(*, quick: bool) -> list[Figure]:
    """Measure the targets of the cuts and of the provisional lineage.

    Parameters
    ----------
    quick
        One capture of 500 cells for each environment and share of ambient RNA.
    """
    found = []
    environments: tuple[Environment, ...] = ("STIE", "TIME")
    for environment in environments:
        for n_cells in _sizes(quick=quick):
            for ambient in AMBIENT_UMI[environment]:
                found += _simulated_figures(environment, n_cells, ambient, quick=quick)
    return [*found, *_marrow_figures(), *_zilionis_figures(), *_pbmc_figures()]
