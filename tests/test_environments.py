"""The lock, the conda environment and pyproject.toml agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {
    "dask": "dask-core",
    "igraph": "python-igraph",
    "matplotlib": "matplotlib-base",
    "snakemake": "snakemake-minimal",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "envs" / "requirements.lock").read_text()
PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;]+)", re.MULTILINE)


def requirements(*extras: str) -> list[Requirement]:
    project = PROJECT["project"]
    texts = [*project["dependencies"], *(t for e in extras for t in project["optional-dependencies"][e])]
    return [Requirement(text) for text in texts]


def test_the_lock_pins_every_dependency_within_its_bounds():
    pinned = {canonicalize_name(pin["name"]): pin["version"] for pin in PIN.finditer(LOCK)}
    for requirement in requirements("test", "build"):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_every_pin_has_hashes_and_no_line_names_a_host():
    blocks = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) > 100
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"://|--index|--extra-index|--find-links|@ ", LOCK)


def test_the_lock_is_for_linux_and_macos_and_both_pythons():
    assert "sys_platform == 'linux' " not in LOCK.split("scanpy==")[1].splitlines()[0]
    assert PROJECT["project"]["requires-python"] == ">=3.12"
    pin = re.search(r"^numpy==.*?(?=^[a-z])", LOCK, re.MULTILINE | re.DOTALL)
    assert pin is not None
    assert pin[0].count("--hash") > 20  # wheels of every platform and Python, not of one


def test_conda_has_the_same_bounds():
    environment = yaml.safe_load((ROOT / "envs" / "stietime.yaml").read_text())
    entries = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (from_pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    conda = dict(entry.split(" ", 1) if " " in entry else (entry, "") for entry in [*entries, *from_pip])
    assert conda.pop("python") == PROJECT["project"]["requires-python"]
    conda.pop("pip")
    expected = {
        CONDA_NAMES.get(requirement.name, requirement.name): requirement.specifier
        for requirement in requirements("build")
    }
    assert set(conda) == set(expected)
    for name, bounds in conda.items():
        assert Requirement(f"{name}{bounds}").specifier == expected[name], name
