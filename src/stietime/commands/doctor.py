"""`stietime doctor`: check this installation and say what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from stietime.commands.run import workflow_root
from stietime.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

PACKAGES = ("anndata", "harmonypy", "igraph", "matplotlib", "pynndescent", "scanpy", "snakemake")
MIN_PYTHON = (3, 12)

Finding = tuple[bool, str]


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command: there are none."""


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield True, f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            yield False, f"{name} is not installed: run `make install`"
    if importlib.metadata.version("pynndescent").startswith("0.7.0"):
        yield False, "pynndescent 0.7.0 breaks neighbours above 4,096 cells: install envs/requirements.lock"


def _folders() -> Iterator[Finding]:
    try:
        yield True, f"workflow in {workflow_root()}"
    except InputError as error:
        yield False, f"{error.what}: {error.fix}"
    cache = Path(os.environ["NUMBA_CACHE_DIR"])
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache):
            yield True, f"cache of compiled code in {cache}"
    except OSError as error:
        yield False, f"cannot write to {cache} ({error}): set NUMBA_CACHE_DIR to a folder you own"


def findings() -> Iterator[Finding]:
    """Give each check with whether it is well and what was found."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield sys.version_info >= MIN_PYTHON, f"Python {version} (3.12 or newer is needed)"
    yield from _packages()
    yield from _folders()
    yield True, f"{os.cpu_count()} cores, sbatch {shutil.which('sbatch') or 'not found: no Slurm here'}"


def run(_arguments: argparse.Namespace) -> int:
    """Print each check; 1 when something is missing."""
    found = list(findings())
    for well, text in found:
        print(f"{'ok     ' if well else 'PROBLEM'} {text}")  # noqa: T201 - the command's answer
    return int(not all(well for well, _ in found))
