"""The figure of the benchmark of scale: wall time and memory by number of cells, and time by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from benchmarks.scale_processes import GIB
from stietime.figures.style import CATEGORIES, FAINT, INK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from benchmarks.scale_run import Run

LABELS: Final = {"ours": "stietime", "script": "plain script (scanpy)", "seurat": "plain script (Seurat)"}
COLOURS: Final = dict(zip(LABELS, CATEGORIES, strict=False))
MARKS: Final = {"ours": "o", "script": "s", "seurat": "^"}


def draw_scale(runs: Sequence[Run]) -> Figure:
    """Draw what the runs cost.

    Parameters
    ----------
    runs
        Runs of all tools and sizes; at least one.
    """
    figure = Figure(figsize=(11, 4), layout="constrained")
    wall, memory, stages = figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
    _by_size(wall, runs, [run.cost.wall / 60 for run in runs], "wall time (min)")
    _by_size(memory, runs, [run.cost.peak_pss / GIB for run in runs], "peak memory of all processes (GiB)")
    wall.legend(frameon=False, fontsize=8)
    _by_stage(stages, runs)
    return figure


def _by_size(axes: Axes, runs: Sequence[Run], values: Sequence[float], label: str) -> None:
    for tool in [tool for tool in LABELS if any(run.tool == tool for run in runs)]:
        points = sorted(
            (run.n_cells, value) for run, value in zip(runs, values, strict=True) if run.tool == tool
        )
        places, heights = zip(*points, strict=True)
        axes.plot(places, heights, MARKS[tool], color=COLOURS[tool], linestyle="-", label=LABELS[tool])
    axes.set(xscale="log", yscale="log", xlabel="cells", ylabel=label)
    sizes = sorted({run.n_cells for run in runs})
    axes.set_xticks(sizes, [f"{size // 1000:,}k" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(visible=True, color=FAINT, linewidth=0.5)


def _by_stage(axes: Axes, runs: Sequence[Run]) -> None:
    """Draw the stages of all tools at the largest size that more than one tool ran."""
    sizes = [run.n_cells for run in runs]
    shared = max((size for size in sizes if sizes.count(size) > 1), default=max(sizes))
    shown = sorted(
        (run for run in runs if run.n_cells == shared), key=lambda run: list(LABELS).index(run.tool)
    )
    bars = [(run.tool, stage.name, stage.wall) for run in shown for stage in run.stages]
    heights = range(len(bars))
    axes.barh(heights, [bar[2] for bar in bars], color=[COLOURS[bar[0]] for bar in bars])
    axes.set_yticks(heights, [bar[1] for bar in bars], fontsize=7)
    for height, bar in zip(heights, bars, strict=True):
        axes.annotate(f" {bar[2]:.0f}", (bar[2], height), va="center", fontsize=7, color=INK)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(xlabel=f"seconds by stage, {shared:,} cells")
