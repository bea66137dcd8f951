"""What a benchmark measured: one row per figure, with what machine it ran on."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RESULTS: Final = Path(__file__).parent / "results"
QUICK_RESULTS: Final = Path("results/benchmarks")  # of a run that replaces no measured results
COLUMNS: Final = ("case", "metric", "ours", "peer", "peer_name", "ratio", "target", "met", "n", "seed")
NAN: Final = math.nan


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Parameters
    ----------
    case
        The data, and what was planted in them.
    metric
        What was measured, with its unit.
    ours
        Our value.
    peer
        The peer's value in the same run; nan without a peer.
    peer_name
        The peer: tool, version and call.
    target
        The target in words, such as `>= 0.95`; empty for a figure without one.
    met
        Whether the target was met; None without a target.
    n
        Number of cells (or what the metric counts) behind the figure.
    seed
        Seed of the simulation or of the method.
    """

    case: str
    metric: str
    ours: float
    peer: float = NAN
    peer_name: str = ""
    target: str = ""
    met: bool | None = None
    n: int = 0
    seed: int = 0


def figure_table(figures: Iterable[Figure]) -> pd.DataFrame:
    """Set the figures as a table with `COLUMNS`; ratio is ours / peer."""
    table = pd.DataFrame([asdict(figure) for figure in figures])
    peer = table["peer"].where(table["peer"] != 0)
    table["ratio"] = table["ours"] / peer
    table["met"] = table["met"].map({True: "true", False: "false"}).fillna("")
    return table[list(COLUMNS)]


def machine_facts(packages: Sequence[str]) -> dict[str, object]:
    """Describe the machine, the versions and the commit of a run.

    Parameters
    ----------
    packages
        Distributions whose versions are recorded.
    """
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "n_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "versions": {name: version(name) for name in packages},
    }


def _commit() -> str:
    here = Path(__file__).parent
    words = ["git", "-C", str(here), "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


def _memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def write_figures(name: str, figures: Iterable[Figure], packages: Sequence[str], folder: Path) -> Path:
    """Write the table and the facts of the machine.

    Parameters
    ----------
    name
        Name of the benchmark.
    figures
        What was measured.
    packages
        Distributions whose versions are recorded.
    folder
        Folder that receives `<name>.tsv` and `<name>.json`.

    Returns
    -------
    The path of the table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.tsv"
    figure_table(figures).to_csv(path, sep="\t", index=False, float_format="%.4g")
    facts = json.dumps(machine_facts(packages), indent=2)
    (folder / f"{name}.json").write_text(facts + "\n", encoding="utf-8")
    return path


def show_figures(figures: Iterable[Figure], path: Path) -> None:
    """Print the figures, how many missed their target, and where they were written."""
    table = figure_table(figures)
    print(table.to_string(index=False))
    missed = int((table["met"] == "false").sum())
    print(f"\n{len(table)} figures, {missed} targets not met: {path}")
