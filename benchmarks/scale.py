"""From ingested files to states, ours beside the plain scripts, on simulated captures of realistic sparsity.

`make benchmark-scale` runs our chain and the plain scanpy script at 10,000, 50,000 and 200,000 cells, that of
Seurat at 50,000 where it is installed, and our chain alone at 1,000,000; on 2 cores it takes about two hours
and 15 GB of disk. It writes `scale.tsv`, `scale_stages.tsv`, `scale.json` and `scale.svg` to
`benchmarks/results/` and the tables of `docs/scale.md`. The same cohort on threads and a Dask cluster, the
mixing of real batches and the cost of starting are measured after the sizes. With `--quick` it runs 5,000
cells and writes to `results/benchmarks/` only, as does every run of chosen sizes, which stand alone. Before
the first size
every tool runs once on 5,000 cells, so that compiled code is in the caches of all.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pandas as pd

from benchmarks import scale_data, scale_mixing, scale_rows, scale_run, scale_start, scale_ways
from benchmarks.pages import as_markdown, between_marks, figures_as_markdown
from benchmarks.record import NAN, QUICK_RESULTS, RESULTS, Figure, show_figures, write_figures
from benchmarks.scale_figure import draw_scale

if TYPE_CHECKING:
    from benchmarks.scale_run import Run

PACKAGES: Final = (
    *("stietime", "scanpy", "anndata", "harmonypy", "umap-learn", "igraph", "numpy", "scipy"),
    *("scikit-learn", "numba", "snakemake"),
)
DOCS: Final = Path(__file__).parent.parent / "docs" / "scale.md"
COMPARED: Final = (10_000, 50_000, 200_000)
ALONE: Final = (1_000_000,)
SEURAT_AT: Final = 50_000
QUICK: Final = (5_000,)  # above 4,096 cells scanpy searches neighbours approximately
SEED: Final = 1
Runner = Callable[[Path, Path, int], scale_run.Run]


class Measured(NamedTuple):
    """Figures and runs of one size."""

    figures: list[Figure]
    runs: list[Run]


def _run(tool: str, runner: Runner, data: Path, folder: Path, n_cells: int) -> Run:
    """Run a tool, or take what an earlier benchmark in the same folder left."""
    done = scale_run.load_run(tool, n_cells, folder / tool)
    run = done or runner(data, folder / tool, n_cells)
    print(f"{n_cells:,} cells, {tool}: {run.cost.wall:.0f} s", flush=True)
    return run


def measure_size(n_cells: int, folder: Path, tools: dict[str, Runner], seed: int = SEED) -> Measured:
    """Run every tool on the same captures, one after the other, and compare them.

    Parameters
    ----------
    n_cells
        Number of droplets of the cohort.
    folder
        Folder that receives captures and runs; what is there is not made again.
    tools
        What to run; ours is among them.
    seed
        Seed of the simulation and of the sampled cells.
    """
    data = folder / "data"
    if not (data / scale_data.SHEET).is_file():
        for _ in scale_data.write_cohort(data, n_cells, seed):
            pass
    runs = [_run(tool, runner, data, folder, n_cells) for tool, runner in tools.items()]
    truth, case = scale_run.planted(data), scale_rows.case_of(n_cells, data)
    found = {run.tool: scale_run.found_by(run) for run in runs}
    shared = truth.index
    for what in found.values():
        shared = shared.intersection(what.cells.index)
    quality = {tool: scale_rows.judge(what, truth, shared, seed) for tool, what in found.items()}
    ours = next(run for run in runs if run.tool == "ours")
    figures = []
    peers: list[Run | None] = [run for run in runs if run is not ours]
    for peer in peers or [None]:
        name = scale_rows.peer_name(peer.tool) if peer else ""
        theirs = quality[peer.tool] if peer else None
        figures += scale_rows.cost_figures(ours, peer, case, seed)
        figures += scale_rows.quality_figures(quality["ours"], theirs, name, case, n_cells, seed)
    return Measured(figures, runs)


def tools_at(n_cells: int, *, alone: bool) -> dict[str, Runner]:
    """Choose what is run at a size."""
    found: dict[str, Runner] = {"ours": scale_run.run_ours}
    if not alone:
        found["script"] = scale_run.run_script
    if n_cells == SEURAT_AT and scale_run.seurat_version():
        found["seurat"] = scale_run.run_seurat
    return found


def warm_up(folder: Path) -> None:
    """Run ours and the plain script once without measuring, so that neither pays for compiling code."""
    for _ in scale_data.write_cohort(folder / "data", *QUICK):
        pass
    for name, runner in tools_at(*QUICK, alone=False).items():
        runner(folder / "data", folder / name, *QUICK)
    shutil.rmtree(folder)


def measure_all(folder: Path, compared: tuple[int, ...], alone: tuple[int, ...], *, keep: bool) -> Measured:
    """Measure every size, small ones first.

    Parameters
    ----------
    folder
        Folder for captures and runs.
    compared, alone
        Sizes at which peers run too, and sizes of ours alone.
    keep
        Whether captures and runs stay; without it those of a size go when it is done.
    """
    figures, runs = [], []
    for n_cells in sorted({*compared, *alone}):
        place = folder / f"n{n_cells}"
        tools = tools_at(n_cells, alone=n_cells not in compared)
        measured = measure_size(n_cells, place, tools)
        figures += measured.figures
        runs += measured.runs
        if n_cells == SEURAT_AT and "seurat" not in tools:
            case = f"{n_cells:,} cells: Seurat is not installed"
            figures.append(Figure(case, "wall time (s)", NAN, peer_name="Seurat", n=n_cells, seed=SEED))
        if not keep:
            shutil.rmtree(place)
    return Measured(figures + scale_rows.growth_figures(runs, SEED), runs)


def measure_rest(folder: Path, *, quick: bool) -> list[Figure]:
    """Measure what does not depend on the size: ways of computing, mixing of real batches, and the start.

    Parameters
    ----------
    folder
        Folder for captures and runs, which go when they are measured.
    quick
        Without the demo.
    """
    found = scale_ways.figures(folder / "ways", *QUICK, SEED)
    shutil.rmtree(folder / "ways")
    return [*found, *scale_mixing.figures(), *scale_start.figures(quick=quick)]


def document(text: str, folder: Path) -> str:
    """Renew the tables of the page of scale from the results.

    Parameters
    ----------
    text
        The page, with the marks `scale` and `scale stages`.
    folder
        Folder of `scale.tsv` and `scale_stages.tsv`.
    """
    figures = figures_as_markdown(folder / "scale.tsv", without=["n", "seed"])
    stages = pd.read_csv(folder / "scale_stages.tsv", sep="\t")
    text = between_marks(text, "scale", figures)
    return between_marks(text, "scale stages", as_markdown(stages))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="5,000 cells only; the documents stay")
    parser.add_argument("--sizes", type=int, nargs="*", default=None, help="sizes at which peers run too")
    parser.add_argument("--alone", type=int, nargs="*", default=None, help="sizes of ours alone")
    parser.add_argument("--work", type=Path, default=QUICK_RESULTS / "scale", help="folder of the runs")
    parser.add_argument("--keep", action="store_true", help="keep captures and runs, to resume from them")
    parser.add_argument("--no-warm-up", action="store_true", help="compiled code is in the caches already")
    arguments = parser.parse_args()
    chosen = arguments.sizes is not None or arguments.alone is not None
    compared = QUICK if arguments.quick else COMPARED
    alone = () if arguments.quick else ALONE
    if chosen:
        compared, alone = tuple(arguments.sizes or ()), tuple(arguments.alone or ())
    complete = not (arguments.quick or chosen)
    folder = RESULTS if complete else QUICK_RESULTS
    work = arguments.work.resolve()
    if not arguments.no_warm_up:
        warm_up(work / "warm_up")
    measured = measure_all(work, compared, alone, keep=arguments.keep)
    figures = measured.figures if chosen else [*measured.figures, *measure_rest(work, quick=arguments.quick)]
    path = write_figures("scale", figures, PACKAGES, folder)
    stages = scale_rows.stage_table(measured.runs)
    stages.to_csv(folder / "scale_stages.tsv", sep="\t", index=False, float_format="%.4g")
    draw_scale(measured.runs).savefig(folder / "scale.svg", metadata={"Date": None})
    if complete and DOCS.is_file():
        DOCS.write_text(document(DOCS.read_text(encoding="utf-8"), folder), encoding="utf-8")
    show_figures(figures, path)


if __name__ == "__main__":
    main()
