"""What starting costs: the help text, a step on next to no cells, and the demo."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import scale_processes
from benchmarks.record import Figure
from benchmarks.scale_run import ROOT, step_of

if TYPE_CHECKING:
    from benchmarks.scale_processes import Cost

MAX_HELP_S: Final = 0.5
MAX_STEP_S: Final = 3.0
MAX_DEMO_S: Final = 150.0
REPEATS: Final = 5
TINY: Final = ("--patients", "2", "--cells", "60", "--sections", "1", "--cells-per-section", "300")
STIETIME: Final = str(Path(sys.executable).parent / "stietime")


def figures(*, quick: bool) -> list[Figure]:
    """Measure the start of the command line, of each step, and the demo.

    Parameters
    ----------
    quick
        Without the demo.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = [_help(), *_steps(folder / "tiny")]
        return found if quick else [*found, _demo(folder / "demo")]


def _seconds(words: list[str]) -> float:
    """Run a command some times, and give the median of its wall times."""
    walls = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        subprocess.run(words, capture_output=True, check=True)
        walls.append(time.perf_counter() - begin)
    return statistics.median(walls)


def _help() -> Figure:
    ours, peer = _seconds([STIETIME, "--help"]), _seconds([sys.executable, "-c", "import scanpy"])
    return Figure(
        "stietime --help",
        f"seconds, median of {REPEATS}",
        ours,
        peer,
        "import scanpy",
        f"<= {MAX_HELP_S:g}",
        met=ours <= MAX_HELP_S,
        n=REPEATS,
    )


def _run(words: list[str], folder: Path) -> Cost:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "run.log"
    cost = scale_processes.measure(words, log, folder=folder)
    if cost.code:
        message = f"{' '.join(words)} ended with {cost.code}:\n{log.read_text(errors='replace')[-3000:]}"
        raise RuntimeError(message)
    return cost


def _steps(folder: Path) -> list[Figure]:
    """Run a cohort of next to no cells twice; the second time, compiled code is in the caches."""
    _run([STIETIME, "simulate", "--output-dir", "simulated", *TINY], folder)
    words = [STIETIME, "run", "--configfile", "simulated/config.yaml", "--cores", "1"]
    _run(words, folder)
    cost = _run([*words, "--", "--forceall"], folder)
    walls: dict[str, list[float]] = defaultdict(list)
    for process in cost.processes:
        if step := step_of(process):
            walls[step].append(process.end - process.start)
    of_step = {step: statistics.median(found) for step, found in walls.items()}
    slowest = max(of_step, key=lambda step: of_step[step])
    case, middle = "a step on 60 cells, compiled code in the caches", statistics.median(of_step.values())
    return [
        Figure(
            case,
            "seconds from start to end, median of all steps",
            middle,
            target=f"<= {MAX_STEP_S:g}",
            met=middle <= MAX_STEP_S,
            n=len(of_step),
        ),
        Figure(case, f"seconds of the slowest step ({slowest})", of_step[slowest], n=len(of_step)),
    ]


def _demo(folder: Path) -> Figure:
    shutil.copytree(ROOT / "config", folder / "config")
    wall = _run([STIETIME, "demo", "--cores", "2"], folder).wall
    return Figure(
        "stietime demo on 2 cores, from simulation to reports",
        "wall time (s)",
        wall,
        target=f"<= {MAX_DEMO_S:g}",
        met=wall <= MAX_DEMO_S,
        seed=1,
    )
