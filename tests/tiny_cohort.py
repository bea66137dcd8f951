"""A tiny simulated cohort, and the command line as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml


def stietime(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Type a command of stietime in a folder."""
    command = [str(Path(sys.executable).parent / "stietime"), *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def write_tiny_cohort(folder: Path, *, n_patients: int = 2, n_cells: int = 120, n_sections: int = 1) -> Path:
    """Simulate a cohort and return the configuration that runs it from that folder."""
    size = ("--patients", str(n_patients), "--cells", str(n_cells), "--sections", str(n_sections))
    size += ("--cells-per-section", "300")
    done = stietime("simulate", "--output-dir", "simulated", *size, cwd=folder)
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load((folder / "simulated" / "config.yaml").read_text())
    config.update(results_dir="results", integration={"n_components": 10, "n_neighbours": 10})
    config["quality"] = {"ambient_correction": "soupx"}
    config["inputs"] = {"cell_type_column": "true_cell_type", "cell_type_names": {"red_cell": "erythroid"}}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path
