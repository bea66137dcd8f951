"""The step `assess-quality` as typed: captures of every size, few genes, another order, two threads."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.public_data import MARROW, NUCLEATED, not_found, read_counts
from benchmarks.record import Figure
from stietime import storage
from stietime.simulate.cohort import Artefacts, Sample, simulate_sample

if TYPE_CHECKING:
    from stietime.simulate.cohort import Environment

SIZES: Final = (1, 2, 15, 80, 500, 10_000, 60_000)
PLANTED: Final = Artefacts(0.04, 0.05, 75, 0.6)
TABLES: Final = ("quality.parquet", "cuts.tsv", "losses.tsv", "ambient.tsv", "sample_quality.tsv")
OPTIONS: Final = ("--output", "--cuts", "--losses", "--ambient", "--sample-quality")


@dataclass(frozen=True)
class Run:
    """One run of the step.

    Parameters
    ----------
    quality
        One row per cell, by cell.
    tables
        The other tables as text, in the order of `TABLES`.
    facts
        The row of `sample_quality.tsv`.
    seconds
        Wall time of the process.
    gib
        Its largest resident memory.
    """

    quality: pd.DataFrame
    tables: tuple[str, ...]
    facts: pd.Series[str]
    seconds: float
    gib: float


def run_step(cells: ad.AnnData, *, threads: int = 1) -> Run:
    """Type the step on a file of counts, in a process of its own.

    Parameters
    ----------
    cells
        Counts as `ingest` writes them.
    threads
        Number of threads.

    Raises
    ------
    RuntimeError
        The step fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        storage.write_cells(cells, folder / "counts.h5ad")
        outputs = [
            word for pair in zip(OPTIONS, TABLES, strict=True) for word in (pair[0], str(folder / pair[1]))
        ]
        words = ["step", "assess-quality", "--counts", str(folder / "counts.h5ad"), *outputs]
        begin = time.perf_counter()
        gib = _spawn([str(Path(sys.executable).parent / "stietime"), *words, "--threads", str(threads)])
        seconds = time.perf_counter() - begin
        quality = pd.read_parquet(folder / TABLES[0]).set_index("cell")
        tables = tuple((folder / table).read_text(encoding="utf-8") for table in TABLES[1:])
        facts = pd.read_csv(folder / TABLES[-1], sep="\t", keep_default_na=False, dtype=str).iloc[0]
    return Run(quality, tables, facts, seconds, gib)


def _spawn(words: list[str]) -> float:
    """Run a command silently; its largest resident memory in GiB."""
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    process = os.posix_spawn(words[0], words, os.environ, file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    if os.waitstatus_to_exitcode(status):
        message = f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}"
        raise RuntimeError(message)
    # Linux counts kilobytes, macOS bytes
    return usage.ru_maxrss / (2**20 if sys.platform == "linux" else 2**30)


def capture(n_cells: int, environment: Environment = "TIME") -> ad.AnnData:
    """Simulate a capture as `ingest` would write it; obs holds what was planted."""
    cells = simulate_sample(Sample("p1", environment, "before"), n_cells, 1, PLANTED)
    return _ingested(sparse.csr_matrix(cells.X), list(cells.var_names), cast("pd.DataFrame", cells.obs))


def _ingested(counts: sparse.csr_matrix, genes: list[str], obs: pd.DataFrame) -> ad.AnnData:
    sheet = {"sample": "p1", "patient": "p1", "environment": "TIME", "timepoint": "before"}
    renamed = obs.rename(columns=lambda name: f"source_{name}").assign(**sheet)
    renamed.index = pd.Index([f"p1:{place}" for place in range(len(renamed))])
    return ad.AnnData(counts.astype(np.int32), obs=renamed, var=pd.DataFrame(index=pd.Index(genes)))


def figures(*, quick: bool) -> list[Figure]:
    """Run the step on captures of every size, on few genes, in another order and on more threads.

    Parameters
    ----------
    quick
        Captures of up to 500 cells only.
    """
    found = [figure for n in SIZES if n <= (500 if quick else SIZES[-1]) for figure in _of_size(n)]
    return [*found, *_few_genes(), *_losses(500 if quick else 10_000), *_independence(), *_marrow()]


def _of_size(n_cells: int) -> list[Figure]:
    run = run_step(capture(n_cells))
    tested = "doublets tested" if run.quality["doublet_score"].notna().any() else run.facts["doublet_note"]
    case = f"simulated TIME, {n_cells:,} cells: {run.facts['verdict']}; {tested}"
    return [
        Figure(case, "cells kept (share)", float(run.quality["keep"].mean()), n=n_cells, seed=1),
        Figure(case, "seconds of the whole step", run.seconds, n=n_cells, seed=1),
        Figure(case, "peak memory of the whole step (GiB)", run.gib, n=n_cells, seed=1),
    ]


def _few_genes() -> list[Figure]:
    found = []
    cells = capture(500)
    for n_genes in (1, 300):
        run = run_step(cells[:, :n_genes].copy())
        case = f"simulated TIME, 500 cells, {n_genes} gene{'s' * (n_genes > 1)}: {run.facts['verdict']}"
        case += f", {run.facts['reason'].split('; ')[0]}" if run.facts["reason"] else ""
        kept = float(run.quality["reason"].isin(["kept", "sample_excluded"]).mean())
        found.append(Figure(case, "cells that pass the filters (share)", kept, n=500, seed=1))
    return found


def _losses(n_cells: int) -> list[Figure]:
    """Measure what all filters take together, doublet calls among them."""
    found = []
    environments: tuple[Environment, ...] = ("STIE", "TIME")
    for environment in environments:
        cells = capture(n_cells, environment)
        truth, dropped = cells.obs, ~run_step(cells).quality["keep"].to_numpy()
        alive = (truth["source_true_kind"] == "cell").to_numpy()
        groups = {
            "neutrophil": alive & (truth["source_true_lineage"] == "neutrophil").to_numpy(),
            "Ter cells": alive & (truth["source_true_state"] == "ter_cell").to_numpy(),
            "all living single cells": alive,
        }
        case = f"simulated {environment}, {n_cells:,} cells, all filters and doublet calls"
        for name, rows in groups.items():
            lost, n = float(dropped[rows].mean()), int(rows.sum())
            if n:
                found.append(
                    Figure(
                        case, f"{name} dropped (share)", lost, target="<= 0.05", met=lost <= 0.05, n=n, seed=1
                    )
                )
    return found


def _independence() -> list[Figure]:
    """Compare a run with one of permuted cells, and with one on two threads.

    The step reads the file of one sample only, so that other samples cannot matter.
    """
    cells = capture(2000)
    first = run_step(cells)
    order = np.random.default_rng(1).permutation(cells.n_obs)
    others = {"in another order": run_step(cells[order].copy()), "on 2 threads": run_step(cells, threads=2)}
    found = []
    for name, other in others.items():
        cells_differ = (first.quality != other.quality.loc[first.quality.index]) & first.quality.notna()
        differ = float(cells_differ.any(axis=1).sum() + sum(map(str.__ne__, first.tables, other.tables)))
        metric = "cells and tables that differ"
        found.append(
            Figure(f"the same 2,000 cells {name}", metric, differ, target="0", met=not differ, n=2000)
        )
    return found


def _marrow() -> list[Figure]:
    """Count the nucleated erythroid cells of marrow, as staged by the authors, that the defaults drop."""
    found = []
    for path in MARROW:
        case, metric = f"marrow, {path.stem} (Luecken 2021), all filters", "nucleated erythroid cells dropped"
        if not path.is_file():
            found.append(not_found(case, metric, "0"))
            continue
        counts, genes, obs = read_counts(path)
        staged = obs["cell_type"].astype(str).isin(NUCLEATED).to_numpy()
        quality = run_step(_ingested(counts, genes, obs[["cell_type"]])).quality
        lost = int((~quality["keep"].to_numpy() & staged).sum())
        found.append(Figure(case, metric, lost, target="0", met=lost == 0, n=int(staged.sum())))
    return found
