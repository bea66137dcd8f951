"""The same cohort in other blocks, on more threads and on a Dask cluster: what of the tables differs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import numpy as np
import yaml

from benchmarks import scale_data, scale_processes
from benchmarks.record import Figure
from benchmarks.scale_start import STIETIME
from stietime import names, storage
from stietime.blocks import BYTES_PER_ENTRY, SYNCHRONOUS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

N_BLOCKS: Final = 16
TOLERANCE: Final = 1e-3  # of coordinates, whose spread is about 10
SCORE_TOLERANCE: Final = 1e-6


def figures(folder: Path, n_cells: int, seed: int) -> list[Figure]:
    """Run the chain in four ways, and compare the tables with those of one thread and whole samples.

    Parameters
    ----------
    folder
        Receives captures and runs.
    n_cells
        Number of droplets of the cohort.
    seed
        Seed of the simulation.
    """
    from distributed import LocalCluster

    data = folder / "data"
    for _ in scale_data.write_cohort(data, n_cells, seed):
        pass
    blocks = {"block_gib": _block_gib(data)}
    plain = _run(data, folder / "plain", {"dask_scheduler": SYNCHRONOUS}, 1)
    found = _compare(plain, _run(data, folder / "threads", {}, 2), "2 threads", n_cells, seed)
    found += _compare(plain, _run(data, folder / "blocks", blocks, 1), f"{N_BLOCKS} blocks", n_cells, seed)
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**options) as cluster:  # type: ignore[no-untyped-call]
        address = {**blocks, "dask_scheduler": cluster.scheduler_address}
        other = _run(data, folder / "workers", address, 1)
    return [*found, *_compare(plain, other, "a dask.distributed cluster of 2 workers", n_cells, seed)]


def _block_gib(data: Path) -> float:
    """Memory of a block with which the cohort is cut into about sixteen."""
    import h5py

    entries = 0
    for path in (data / "captures").iterdir():
        with h5py.File(path) as handle:
            entries += handle["X/data"].shape[0]
    return entries / (N_BLOCKS - 1) * BYTES_PER_ENTRY / 2**30


def _run(data: Path, folder: Path, compute: Mapping[str, object], cores: int) -> names.Outputs:
    shutil.rmtree(folder, ignore_errors=True)
    config = scale_data.link_run(data, folder)
    text = config.read_text(encoding="utf-8") + yaml.safe_dump({"compute": dict(compute)})
    storage.write_text(text, config)
    outputs = names.Outputs(str(folder / "results"))
    words = [STIETIME, "run", "--configfile", str(config), "--cores", str(cores), "--", outputs.states]
    cost = scale_processes.measure(words, folder / "run.log", folder=folder)
    if cost.code:
        message = f"{' '.join(words)} ended with {cost.code}:\n{(folder / 'run.log').read_text()[-3000:]}"
        raise RuntimeError(message)
    return outputs


def _compare(one: names.Outputs, other: names.Outputs, way: str, n_cells: int, seed: int) -> list[Figure]:
    from pathlib import Path

    from sklearn.metrics import adjusted_rand_score

    def both(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Read a table of the two runs."""
        first, second = (storage.read_table(Path(getattr(run, name))) for run in (one, other))
        return first, second

    case = f"{n_cells:,} cells, {way} against 1 thread and whole captures"
    coordinates = [frame.filter(like="harmony_").to_numpy() for frame in both("embedding")]
    shift = float(np.abs(coordinates[0] - coordinates[1]).max())
    clusters = both("clusters")
    index = min(
        adjusted_rand_score(*(frame[column] for frame in clusters))
        for column in clusters[0].columns.drop(names.CELL)
    )
    types = [frame[names.CELL_TYPE] for frame in both("cell_types")]
    scores = [frame.filter(like="score_").to_numpy() for frame in both("states")]
    error = float(np.nanmax(np.abs(scores[0] - scores[1])))
    calls = [frame.filter(like="is_").astype("float").fillna(-1).to_numpy() for frame in both("states")]
    differ = int((types[0] != types[1]).sum()), int((calls[0] != calls[1]).any(axis=1).sum())
    rows = (
        ("largest difference of a corrected coordinate", shift, f"<= {TOLERANCE:g}", shift <= TOLERANCE),
        ("ARI of the clusters, worst resolution", float(index), "1", index == 1),
        ("cells of another type", float(differ[0]), "0", differ[0] == 0),
        ("cells of another call", float(differ[1]), "0", differ[1] == 0),
        ("largest difference of a score", error, f"<= {SCORE_TOLERANCE:g}", error <= SCORE_TOLERANCE),
    )
    return [
        Figure(case, metric, value, target=target, met=bool(met), n=len(types[0]), seed=seed)
        for metric, value, target, met in rows
    ]
