"""Ambient RNA beside the peers: the contamination that was planted, and the profile of real empty droplets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anndata as ad
import numpy as np
from scipy import sparse

from benchmarks.record import NAN, Figure
from stietime.cells.ambient import estimate_ambient
from stietime.cells.provisional_lineage import provisional_lineages
from stietime.resources import read_markers
from stietime.simulate.cohort import Artefacts, Sample, simulate_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stietime.cells.ambient import Ambient
    from stietime.simulate.cohort import Environment

    Floats = NDArray[np.float64]

DATA: Final = Path(os.environ.get("STIETIME_DATA", "../shared/data"))
SOUPX: Final = "soupx_pbmc4k_ambient/soupx_pbmc_2170.h5ad"
PLANTED: Final = {0: "0 %", 75: "2.4 %", 340: "10 %", 760: "20 %", 1300: "30 %"}  # by ambient UMI per droplet
ENVIRONMENTS: Final[tuple[Environment, ...]] = ("STIE", "TIME")
MAX_ERROR: Final = 0.03
MIN_CORRELATION: Final = 0.95
PEER: Final = "mean of all cells as the profile"
NO_ESTIMATE: Final = "no estimate: contamination 0"


@dataclass(frozen=True)
class Planted:
    """One simulated sample: what was planted, and what was found."""

    truth: float
    profile: Floats
    cell_profile: Floats
    found: Ambient

    @property
    def error(self) -> float:
        """Estimated less planted contamination; nan where it was not estimable."""
        return self.found.contamination - self.truth


@cache
def planted(environment: Environment, n_cells: int, ambient_umi: float, seed: int) -> Planted:
    """Simulate a sample and estimate its ambient RNA from the cells alone.

    Parameters
    ----------
    environment
        Blood or tumour.
    n_cells
        Number of cells.
    ambient_umi
        Ambient counts per droplet.
    seed
        Seed of the simulation.
    """
    sample = Sample("p1", environment, "before")
    cells = simulate_sample(sample, n_cells, seed, Artefacts(0.04, 0.05, ambient_umi, 0.6))
    counts, genes, markers = sparse.csr_matrix(cells.X), list(cells.var_names), read_markers()
    found = estimate_ambient(counts, genes, provisional_lineages(counts, genes, markers), markers)
    of_cells = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    truth = float(cells.obs["true_ambient_umi"].sum() / counts.sum())
    return Planted(truth, cells.var["ambient_share"].to_numpy(), of_cells / of_cells.sum(), found)


def correlation(profile: Floats, truth: Floats) -> float:
    """Correlate two profiles over all genes (Pearson)."""
    return float(np.corrcoef(profile, truth)[0, 1])


def figures(*, quick: bool) -> list[Figure]:
    """Measure everything.

    Parameters
    ----------
    quick
        One seed, and samples of 500 cells only.
    """
    found = [
        figure
        for ambient_umi in PLANTED
        for figure in _of_level(ambient_umi, (500,) if quick else (500, 2000), (1,) if quick else (1, 2, 3))
    ]
    return found + _real()


def _of_level(ambient_umi: float, sizes: tuple[int, ...], seeds: tuple[int, ...]) -> list[Figure]:
    """Give the worst of all samples of one planted level."""
    runs = [planted(where, n, ambient_umi, seed) for where in ENVIRONMENTS for n in sizes for seed in seeds]
    case = f"simulated blood and tumour, about {PLANTED[int(ambient_umi)]} ambient RNA, {len(runs)} samples"
    error = float(np.max(np.abs([run.error for run in runs])))  # nan when any could not be estimated
    without = max(run.truth for run in runs)
    target = f"<= {MAX_ERROR}"
    n, seed = len(ENVIRONMENTS) * len(seeds) * sum(sizes), seeds[-1]
    rows = [
        Figure(
            case,
            "largest absolute error of the contamination",
            error,
            without,
            NO_ESTIMATE,
            target,
            met=error <= MAX_ERROR,
            n=n,
            seed=seed,
        )
    ]
    inside = float(np.mean([run.found.low <= run.truth <= run.found.high for run in runs]))
    rows.append(Figure(case, "samples whose 95 % interval holds the truth", inside, n=n, seed=seed))
    if ambient_umi:
        ours = min(correlation(run.found.profile, run.profile) for run in runs)
        peer = min(correlation(run.cell_profile, run.profile) for run in runs)
        metric = "smallest correlation of the ambient profile"
        rows.append(Figure(case, metric, ours, peer, PEER, *_correlation_target(ours), n=n, seed=seed))
    return rows


def _real() -> list[Figure]:
    """Compare profiles with that of the real empty droplets of PBMC, which are not shown to the estimate."""
    case, metric = "10x PBMC 4k, empty droplets as SoupX has them", "correlation of the ambient profile"
    path = DATA / SOUPX
    if not path.is_file():
        return [Figure(f"{case}: data missing", metric, NAN, target=f">= {MIN_CORRELATION}", met=False)]
    cells = ad.read_h5ad(path)
    counts, genes, markers = (
        sparse.csr_matrix(cells.X).astype(np.int64),
        list(cells.var_names),
        read_markers(),
    )
    lineages = provisional_lineages(counts, genes, markers)
    measured = cells.var["soup_est"].to_numpy(dtype=np.float64)
    empty = cells.var["soup_counts"].to_numpy(dtype=np.int64)
    found = estimate_ambient(counts, genes, lineages, markers)
    known = estimate_ambient(counts, genes, lineages, markers, empty_droplet_counts=empty)
    of_cells = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    ours, peer = correlation(found.profile, measured), correlation(of_cells, measured)
    n = counts.shape[0]
    agree = "contamination estimated from the cells alone; beside it, with the measured profile"
    return [
        Figure(case, metric, ours, peer, PEER, *_correlation_target(ours), n=n),
        Figure(case, agree, found.contamination, known.contamination, "ours with empty droplets", n=n),
    ]


def _correlation_target(ours: float) -> tuple[str, bool]:
    return f">= {MIN_CORRELATION}", ours >= MIN_CORRELATION
