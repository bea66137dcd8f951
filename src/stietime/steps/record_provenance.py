"""Record what a run was made from: versions, inputs, commands, time and memory."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import json
import logging
import platform
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stietime import __version__, storage
from stietime.settings import Settings
from stietime.steps.arguments import add_optional_paths, add_path, add_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

PACKAGES = (
    "anndata",
    "harmonypy",
    "igraph",
    "matplotlib",
    "numpy",
    "pandas",
    "scanpy",
    "scikit-learn",
    "scipy",
    "snakemake",
    "umap-learn",
)
COMMAND = re.compile(r"^\$ (?P<command>stietime step .+)$", re.MULTILINE)
COST = re.compile(r"^done in (?P<seconds>[\d.]+) s, peak memory (?P<megabytes>\d+) MB$", re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the step."""
    add_path(parser, "--results", "folder of the results")
    add_settings(parser, Settings)
    add_optional_paths(parser, "--inputs", "input files whose checksums are recorded")
    add_path(parser, "--output", "provenance.json")


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, or of the sorted names and contents of a folder's files."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        digest.update(file.name.encode() if path.is_dir() else b"")
        with file.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def read_logs(folder: Path) -> list[dict[str, Any]]:
    """Read the command, the time and the memory of each job from the logs.

    Parameters
    ----------
    folder
        The folder of the logs.

    Returns
    -------
    One record per job: log, command, wall_seconds, peak_memory_mb; the last two are None where a job has
    not ended well.
    """
    records = []
    for log in sorted(folder.rglob("*.log")):
        text = log.read_text(encoding="utf-8", errors="replace")
        command, cost = COMMAND.search(text), COST.search(text)
        if command:
            records.append(
                {
                    "job": str(log.relative_to(folder).with_suffix("")),
                    "command": command["command"],
                    "wall_seconds": float(cost["seconds"]) if cost else None,
                    "peak_memory_mb": int(cost["megabytes"]) if cost else None,
                }
            )
    return records


def git_commit() -> str:
    """Return the commit of the checkout this package runs from; empty outside one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def describe(settings: Settings, results: Path, inputs: Iterable[Path]) -> dict[str, Any]:
    """Gather the record of a run.

    Parameters
    ----------
    settings
        The whole configuration.
    results
        The folder of the results.
    inputs
        Input files and folders.
    """
    return {
        "stietime": __version__,
        "git_commit": git_commit(),
        "date": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "config_sha256": hashlib.sha256(settings.as_json().encode()).hexdigest(),
        "settings": settings.model_dump(mode="json"),
        "inputs": [{"path": str(path), "sha256": checksum(path)} for path in inputs],
        "jobs": read_logs(results / "logs"),
    }


def run(arguments: argparse.Namespace) -> None:
    """Write the record of a run."""
    record = describe(arguments.settings, arguments.results, arguments.inputs)
    storage.write_text(json.dumps(record, indent=2) + "\n", arguments.output)
    facts = len(record["inputs"]), len(record["jobs"])
    logging.getLogger(__name__).info("recorded %d inputs and %d jobs", *facts)
