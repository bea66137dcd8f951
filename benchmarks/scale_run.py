"""Runs of our chain and of the peers on the same captures, each in processes of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks import scale_data, scale_processes
from stietime import names, storage
from stietime.h5ad_parts import read_frame
from stietime.resources import read_markers
from stietime.settings import Integration

if TYPE_CHECKING:
    from benchmarks.scale_processes import Cost, Process

ROOT: Final = Path(__file__).parents[1]
RECORD: Final = "run.json"
SEURAT_SCRIPT: Final = Path(__file__).parent / "scale_seurat.R"


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Parameters
    ----------
    name
        Its name.
    wall
        Seconds in which it ran.
    cpu
        Processor seconds of all its processes and threads.
    gib
        Largest resident memory of one of its processes; nan for a stage within a process.
    """

    name: str
    wall: float
    cpu: float = float("nan")
    gib: float = float("nan")


@dataclass(frozen=True)
class Found:
    """What a run found, of the cells it kept.

    Parameters
    ----------
    cells
        One row per cell, by cell: cluster, harmony_*, umap_*; ours with cell_type beside.
    graph
        Weights between neighbours, rows as in `cells`; none where the tool does not keep it.
    k
        Number of neighbours of a cell that were searched, itself left out.
    """

    cells: pd.DataFrame
    graph: sparse.csr_matrix | None
    k: int

    def points(self, name: str) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Give the columns `harmony_*` or `umap_*`."""
        columns = [column for column in self.cells if str(column).startswith(f"{name}_")]
        return self.cells[columns].to_numpy(dtype=np.float32)


@dataclass(frozen=True)
class Run:
    """One run of a tool.

    Parameters
    ----------
    tool
        ours, script or seurat.
    n_cells
        Number of droplets of the cohort.
    cost
        What it cost.
    stages
        Its stages, in order.
    folder
        Where its results are.
    """

    tool: str
    n_cells: int
    cost: Cost
    stages: list[Stage]
    folder: Path

    def seconds(self, *stages: str) -> float:
        """Sum the wall seconds of some stages."""
        return sum(stage.wall for stage in self.stages if stage.name in stages)

    def save(self) -> Run:
        """Write down what the run cost beside its results, for a benchmark that is resumed."""
        text = json.dumps({"cost": asdict(self.cost), "stages": [asdict(stage) for stage in self.stages]})
        storage.write_text(text, self.folder / RECORD)
        return self


def load_run(tool: str, n_cells: int, folder: Path) -> Run | None:
    """Read a run that has ended; none when there is none."""
    path = folder / RECORD
    if not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    processes = [
        scale_processes.Process(**{**process, "words": tuple(process["words"])})
        for process in record["cost"].pop("processes")
    ]
    cost = scale_processes.Cost(**record["cost"], processes=processes)
    return Run(tool, n_cells, cost, [Stage(**stage) for stage in record["stages"]], folder)


def _require_success(cost: Cost, log: Path) -> None:
    if cost.code:
        end = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        message = f"the run ended with {cost.code}, see {log}:\n{end}"
        raise RuntimeError(message)


def step_of(process: Process) -> str:
    """Name the step that a process runs: `stietime step <name>`; empty for every other process."""
    words = list(process.words)
    at = words.index("step") if "step" in words[:4] else -1
    return words[at + 1] if at > 0 and Path(words[at - 1]).name == "stietime" else ""


def stages_of(cost: Cost) -> list[Stage]:
    """Sum the processes of a run of ours by step; what is left of the wall time is the workflow's own.

    Steps stand in the order of their starts; the processor time of a process that ended between two looks is
    that of the last look.
    """
    found = []
    for step in dict.fromkeys(filter(None, map(step_of, cost.processes))):
        part = [process for process in cost.processes if step_of(process) == step]
        cpu, resident = sum(process.cpu for process in part), max(process.resident for process in part)
        found.append(Stage(step, scale_processes.span(part), cpu, resident / scale_processes.GIB))
    steps = [process for process in cost.processes if step_of(process)]
    left = cost.wall - scale_processes.span(steps)
    own = [process for process in cost.processes if not step_of(process)]
    gib = max((process.resident for process in own), default=0) / scale_processes.GIB
    return [*found, Stage("workflow", left, cost.cpu - sum(process.cpu for process in steps), gib)]


def run_ours(data: Path, folder: Path, n_cells: int, cores: int = 2) -> Run:
    """Run our chain as typed, `stietime run`, from ingested files to the states.

    Parameters
    ----------
    data
        Folder that `benchmarks.scale_data.write_cohort` filled.
    folder
        Folder of the run; made anew.
    n_cells
        Number of droplets of the cohort.
    cores
        Cores to use.
    """
    shutil.rmtree(folder, ignore_errors=True)
    config = scale_data.link_run(data, folder)
    outputs = names.Outputs(str(folder / "results"))
    command = [str(Path(sys.executable).parent / "stietime"), "run", "--configfile", str(config)]
    command += ["--cores", str(cores), "--", outputs.states, outputs.samples]
    log = folder / "run.log"
    cost = scale_processes.measure(command, log, folder=folder)
    _require_success(cost, log)
    return Run("ours", n_cells, cost, stages_of(cost), folder).save()


def run_script(data: Path, folder: Path, n_cells: int) -> Run:
    """Run the plain script with scanpy and harmonypy on the same files."""
    shutil.rmtree(folder, ignore_errors=True)
    log = folder / "run.log"
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.scale_reference", str(folder)]
    cost = scale_processes.measure([*command, *map(str, captures(data))], log, folder=ROOT)
    _require_success(cost, log)
    return Run("script", n_cells, cost, _read_stages(folder), folder).save()


def _read_stages(folder: Path) -> list[Stage]:
    wall, cpu = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("stages", "stages_cpu")
    )
    return [Stage(name, float(value), float(cpu[name])) for name, value in wall.items()]


def captures(data: Path) -> list[Path]:
    """List the captures of a cohort in the order of its sheet."""
    sheet = storage.read_table(data / scale_data.SHEET, ["path"])
    return [Path(path) for path in sheet["path"]]


def seurat_version() -> str:
    """Version of Seurat and of R; empty where one of them is missing."""
    code = 'suppressMessages(library(Seurat)); cat(as.character(packageVersion("Seurat")), "on R", '
    code += 'paste(R.version$major, R.version$minor, sep = "."))'
    try:
        found = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def run_seurat(data: Path, folder: Path, n_cells: int) -> Run:
    """Run the plain script in Seurat; it reads the counts as raw integers, faster than from any format."""
    shutil.rmtree(folder, ignore_errors=True)
    export_for_r(data, folder / "counts")
    log = folder / "run.log"
    command = ["Rscript", str(SEURAT_SCRIPT), str(folder / "counts"), str(folder)]
    cost = scale_processes.measure(command, log)
    _require_success(cost, log)
    shutil.rmtree(folder / "counts")
    return Run("seurat", n_cells, cost, _read_stages(folder), folder).save()


def export_for_r(data: Path, folder: Path) -> None:
    """Write the counts of all captures as the arrays of one genes x cells matrix by columns."""
    import anndata as ad

    folder.mkdir(parents=True, exist_ok=True)
    starts, parts = [np.zeros(1, dtype=np.int64)], []
    with (folder / "i.bin").open("wb") as rows, (folder / "x.bin").open("wb") as values:
        for path in captures(data):
            cells = ad.read_h5ad(path)
            counts = sparse.csr_matrix(cells.X)
            rows.write(counts.indices.astype("<i4").tobytes())
            values.write(counts.data.astype("<i4").tobytes())
            starts.append(starts[-1][-1] + counts.indptr[1:].astype(np.int64))
            parts.append(cast("pd.DataFrame", cells.obs)[["batch"]].astype(str))
            genes = cells.var_names
    pointers = np.concatenate(starts)
    (folder / "p.bin").write_bytes(pointers.astype("<i4").tobytes())
    (folder / "sizes.txt").write_text(f"{pointers[-1]}\n", encoding="utf-8")
    (folder / "genes.txt").write_text("\n".join(genes) + "\n", encoding="utf-8")
    table = pd.concat(parts).rename_axis("cell").reset_index()
    table.to_csv(folder / "cells.tsv", sep="\t", index=False)
    markers = read_markers()
    positive = markers.loc[markers["direction"] == "positive", ["set_id", "gene"]]
    positive.to_csv(folder / "sets.tsv", sep="\t", index=False)


def found_by(run: Run) -> Found:
    """Read what a run found."""
    if run.tool == "ours":
        outputs = names.Outputs(str(run.folder / "results"))
        cells = storage.read_table(Path(outputs.embedding)).set_index(names.CELL)
        for path, columns in (
            (outputs.clusters, [names.CELL, names.CLUSTER]),
            (outputs.cell_types, [names.CELL, names.CELL_TYPE]),
        ):
            cells = storage.join_strictly(cells, storage.read_table(Path(path), columns)[columns], path)
        return Found(cells, sparse.csr_matrix(sparse.load_npz(outputs.graph)), Integration().n_neighbours)
    if run.tool == "script":
        cells = storage.read_table(run.folder / "cells.parquet").set_index(names.CELL)
        # scanpy counts the cell itself among its 15 neighbours
        return Found(cells, sparse.csr_matrix(sparse.load_npz(run.folder / "neighbours.npz")), 14)
    cells = pd.read_csv(run.folder / "cells.tsv", sep="\t", dtype={"cell": str, "cluster": str})
    return Found(cells.set_index(names.CELL), None, 20)


def planted(data: Path) -> pd.DataFrame:
    """Read what was planted: true_kind, true_cell_type and true_population by cell."""
    columns = ["true_kind", "true_cell_type", "true_population"]
    own = [f"{names.SOURCE_PREFIX}{column}" for column in columns]
    frames = [read_frame(path, "obs", own) for path in captures(data)]
    return pd.concat(frames).set_axis(columns, axis=1).astype(str)
