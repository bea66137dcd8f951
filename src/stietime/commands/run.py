"""`stietime run`: check everything, then let Snakemake make what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from stietime.commands.progress import follow
from stietime.commands.validate import validate
from stietime.configuration import read_settings
from stietime.errors import InputError
from stietime.names import Outputs
from stietime.warm_steps import warm_steps

if TYPE_CHECKING:
    import argparse

DEFAULT_CONFIG = Path("config/config.yaml")
PROFILES = Path("workflow/profiles")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_run_arguments(parser)
    parser.add_argument(
        "snakemake_arguments",
        nargs="*",
        metavar="-- SNAKEMAKE ARGUMENTS",
        help="further arguments for Snakemake, after `--`, such as `-- --forcerun cluster`",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `run` and `demo` share."""
    parser.add_argument(
        "--configfile", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="configuration"
    )
    parser.add_argument(
        "--cores", type=int, default=os.cpu_count() or 1, metavar="N", help="cores to use here"
    )
    parser.add_argument("--cluster", choices=cluster_profiles(), default=None, help="run jobs on a cluster")
    parser.add_argument("--jobs", type=int, default=100, metavar="N", help="jobs on the cluster at once")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--verbose", action="store_true", help="print everything that Snakemake says")


def workflow_root() -> Path:
    """Find the folder that holds the Snakefile: here, or the checkout this package is installed from.

    Raises
    ------
    InputError
        Neither holds it.
    """
    for folder in (Path.cwd(), Path(__file__).parents[3]):
        if (folder / "Snakefile").is_file() and (folder / PROFILES).is_dir():
            return folder
    fix = "start from a checkout of stietime, or install it with `pip install -e` from one"
    what = "there is no Snakefile of stietime"
    raise InputError(what, Path.cwd(), fix)


def cluster_profiles() -> list[str]:
    """Names of the profiles for clusters."""
    folder = Path(__file__).parents[3] / PROFILES
    return sorted(path.name for path in folder.glob("*") if path.name != "default") or ["slurm"]


def snakemake_command(arguments: argparse.Namespace) -> list[str]:
    """Build the command line of Snakemake that does the same as `stietime run`."""
    root = workflow_root()
    profile = root / PROFILES / (arguments.cluster or "default")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    command += ["--configfile", str(arguments.configfile), "--workflow-profile", str(profile)]
    command += ["--jobs", str(arguments.jobs)] if arguments.cluster else ["--cores", str(arguments.cores)]
    command += ["--dry-run"] if arguments.dry_run else []
    return [*command, *getattr(arguments, "snakemake_arguments", [])]


def environment() -> dict[str, str]:
    """Environment in which jobs find this very installation, whatever is active in the shell."""
    folder = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([folder, os.environ.get("PATH", "")])}


def run(arguments: argparse.Namespace) -> int:
    """Check the configuration, the sample sheet and the inputs, then run the chain.

    Returns
    -------
    0 done, 1 a step failed.

    Raises
    ------
    InputError
        The configuration, the sheet or an input file cannot be used; nothing has run.
    """
    validate(arguments.configfile)
    outputs = Outputs(read_settings(arguments.configfile).results_dir)
    command = snakemake_command(arguments)
    if arguments.dry_run:
        return int(subprocess.run(command, env=environment(), check=False).returncode != 0)
    # jobs of a cluster run elsewhere
    with nullcontext(environment()) if arguments.cluster else warm_steps(environment()) as found:
        if arguments.verbose:
            return int(subprocess.run(command, env=found, check=False).returncode != 0)
        code = follow(command, found)
    if code == 0:
        print(f"report: {Path(outputs.cohort_report).resolve()}")  # noqa: T201 - the command's answer
    return int(code != 0)
