"""Whole sections through `find-neighbourhoods` and `measure-distances`: time and memory."""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anndata as ad
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from benchmarks import scale_processes
from benchmarks.public_data import DATA, not_found
from benchmarks.record import Figure
from benchmarks.spatial_pairs import THREADS, tissue
from stietime import names, storage

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS: Final = {
    "find-neighbourhoods": ("neighbourhoods.tsv", "co-occurrence.tsv", "architecture.tsv", "spots.parquet"),
    "measure-distances": ("cross-k.tsv", "nearest.tsv"),
}
SIZES, QUICK_SIZES = (100_000, 1_000_000), (5_000, 20_000)
N_TYPES: Final = 30
N_RUNS: Final = 2
MAX_SECONDS, MAX_GIB, MAX_EXPONENT = 360, 8, 1.15
GIB: Final = 2**30
# real sections: file and micrometres per unit; the last column holds the types
REAL: Final = {
    "CosMx lung cancer, 100,149 cells": ("cosmx_nsclc_lung5_1_celltypes/lung5_cells.csv.gz", 0.12028),
    "CODEX spleen, 154,446 cells": ("hubmap_spleen_codex_pkhl/pkhl_cells.csv.gz", 1.0),
}


def figures(*, quick: bool) -> list[Figure]:
    """Measure both steps on simulated sections of growing size and on real ones.

    Parameters
    ----------
    quick
        Smaller sections; real ones are left out.
    """
    costs = {}
    for n in QUICK_SIZES if quick else SIZES:
        positions, types = tissue(n, N_TYPES, 1)
        costs[n] = _cheapest(positions, types.to_numpy(dtype=object), tumour="type_00")
    found = [figure for n, cost in costs.items() for figure in _limits(n, cost, judged=n == max(costs))]
    (small, first), (large, second) = sorted(costs.items())
    start = _cheapest(*_tiny(), tumour="type_00")[1]
    growth = math.log((second[1] - start) / (first[1] - start)) / math.log(large / small)
    case, metric = f"{small:,} to {large:,} cells", "growth of CPU time with cells (exponent, less the start)"
    found.append(
        Figure(case, metric, growth, target=f"<= {MAX_EXPONENT}", met=growth <= MAX_EXPONENT, n=large)
    )
    return found if quick else [*found, *_real()]


def _tiny() -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    positions, types = tissue(500, N_TYPES, 2)
    return positions, types.to_numpy(dtype=object)


def _cheapest(
    positions: NDArray[np.float64], types: NDArray[np.object_], tumour: str
) -> tuple[float, float, float]:
    """Give the cost of the run that took less CPU time: what else a machine does only adds to it."""
    return min((_cost(positions, types, tumour) for _ in range(N_RUNS)), key=lambda cost: cost[1])


def _cost(
    positions: NDArray[np.float64], types: NDArray[np.object_], tumour: str
) -> tuple[float, float, float]:
    """Run both steps and give seconds on the wall, seconds of all threads, and the larger peak in bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, positions, types, tumour)
        costs = [_run(step, folder) for step in STEPS]
    return sum(c.wall for c in costs), sum(c.cpu for c in costs), max(c.peak_pss for c in costs)


def _write(folder: Path, positions: NDArray[np.float64], types: NDArray[np.object_], tumour: str) -> None:
    index = pd.Index([f"s:{i}" for i in range(len(types))], dtype=object)
    obs = pd.DataFrame({names.SAMPLE: "s"}, index=index)
    cells = ad.AnnData(csr_matrix((len(types), 0), dtype=np.int32), obs=obs)
    cells.obsm[names.SPATIAL_SLOT] = positions
    storage.write_cells(cells, folder / "counts.h5ad")
    lineage = np.where(types == tumour, "epithelial", "t_cell").astype(object)
    table = storage.cell_table(index, **{names.LINEAGE: lineage, names.CELL_TYPE: types})
    storage.write_table(table.assign(**{names.CONFIDENCE: 1.0}), folder / "types.parquet")


def _run(step: str, folder: Path) -> scale_processes.Cost:
    words = [str(Path(sys.executable).with_name("stietime")), "step", step, "--threads", str(THREADS)]
    words += ["--counts", str(folder / "counts.h5ad"), "--cell-types", str(folder / "types.parquet")]
    for output in STEPS[step]:
        words += [f"--{output.split('.')[0]}", str(folder / output)]
    cost = scale_processes.measure(words, folder / f"{step}.log")
    if cost.code:
        message = f"{step} ended with {cost.code}: {(folder / f'{step}.log').read_text()}"
        raise RuntimeError(message)
    return cost


def _limits(n: int, cost: tuple[float, float, float], *, judged: bool) -> list[Figure]:
    wall, cpu, peak = cost
    case = f"{n:,} cells of {N_TYPES} types, both steps from file to tables, better of {N_RUNS} runs"
    if not judged:
        return [Figure(case, "wall time (s)", wall, n=n), Figure(case, "peak memory (GiB)", peak / GIB, n=n)]
    limit, gib = f"<= {MAX_SECONDS}", f"<= {MAX_GIB}"
    return [
        Figure(case, "wall time (s)", wall, target=limit, met=wall <= MAX_SECONDS, n=n),
        Figure(case, "CPU time (s)", cpu, n=n),
        Figure(case, "peak memory (GiB)", peak / GIB, target=gib, met=peak <= MAX_GIB * GIB, n=n),
    ]


def _real() -> list[Figure]:
    found = []
    for case, (place, um_per_unit) in REAL.items():
        path = DATA / place
        if not path.is_file():
            found.append(not_found(case, "wall time (s)", ""))
            continue
        table = pd.read_csv(path).rename(columns=str.lower)
        types = table.iloc[:, -1].astype(str).to_numpy(dtype=object)
        wall, _, peak = _cost(table[["x", "y"]].to_numpy(dtype=float) * um_per_unit, types, tumour="Basal")
        found += [
            Figure(case, "wall time (s), both steps", wall, n=len(table)),
            Figure(case, "peak memory (GiB)", peak / GIB, n=len(table)),
        ]
    return found
