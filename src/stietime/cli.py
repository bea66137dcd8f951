"""The command line: registers the user commands and the steps, and handles every error once."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import resource
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from stietime import __version__
from stietime.commands import COMMANDS
from stietime.commands import module_name as command_module
from stietime.errors import InputError
from stietime.steps import STEPS
from stietime.steps import module_name as step_module

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_DONE = 0
EXIT_BAD_INPUT = 2
WARM_STEPS = "STIETIME_WARM_STEPS"  # where the process listens that is warm; see `warm_steps`


def threads_of(argv: Sequence[str]) -> int:
    """Read how many threads a step is given, before its own arguments are known.

    Parameters
    ----------
    argv
        The words after `stietime`.
    """
    early = argparse.ArgumentParser(add_help=False)
    early.add_argument("--threads", default="1")
    given = str(early.parse_known_args(list(argv))[0].threads)
    return int(given) if given.isdecimal() else 1  # the step's own parser tells what is wrong


def prepare_environment(argv: Sequence[str]) -> None:
    """Set what libraries read at import: caches in a writable folder, and the number of threads.

    Parameters
    ----------
    argv
        The words after `stietime`.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "stietime"
    if not os.access(cache.parent if cache.parent.exists() else Path.home(), os.W_OK):
        cache = Path(os.environ.get("TMPDIR", "/tmp")) / f"stietime-{os.getuid()}"  # noqa: S108
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache / "numba"))
    os.environ.setdefault("MPLCONFIGDIR", str(cache / "matplotlib"))
    os.environ.setdefault("MPLBACKEND", "Agg")
    for name in ("NUMBA", "OMP", "OPENBLAS", "MKL"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads_of(argv))


def _add_step(parser: argparse.ArgumentParser, step: str) -> None:
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="number of threads (default 1)")
    module = importlib.import_module(step_module(step))
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)


def _chosen(argv: Sequence[str]) -> tuple[str, str]:
    """Find the command and the step that are called, without importing any of them."""
    words = [word for word in argv if not word.startswith("-")]
    command = words[0] if words and words[0] == argv[0] else ""
    step = argv[1] if command == "step" and len(argv) > 1 else ""
    return command, step


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the module of the command that is called is imported.

    Parameters
    ----------
    argv
        The words after `stietime`.
    """
    parser = argparse.ArgumentParser(prog="stietime", description=importlib.import_module("stietime").__doc__)
    parser.add_argument("--version", action="version", version=f"stietime {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    command, step = _chosen(argv)
    for name, text in COMMANDS.items():
        child = commands.add_parser(name, help=text, description=text)
        if name == command:
            module = importlib.import_module(command_module(name))
            module.add_arguments(child)
            child.set_defaults(run=module.run)
    text = "run one step of the chain by hand"
    steps = commands.add_parser("step", help=text, description=text).add_subparsers(
        dest="step", metavar="STEP", required=True
    )
    for name, text in STEPS.items():
        child = steps.add_parser(name, help=text, description=text)
        if name == step:
            _add_step(child, name)
    return parser


def _run_step(arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    """Run a step; its log begins with the command line and ends with what it cost."""
    log = logging.getLogger(__name__)
    log.info("$ %s", shlex.join(["stietime", *argv]))
    start = time.monotonic()
    arguments.run(arguments)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    log.info("done in %.1f s, peak memory %.0f MB", time.monotonic() - start, peak)
    return EXIT_DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; a step of a run on this machine in a process that is warm already.

    Parameters
    ----------
    argv
        The words after `stietime`; those of the process when left out.

    Returns
    -------
    0 done, 1 a step failed, 2 bad input.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["step"] and WARM_STEPS in os.environ:
        code = importlib.import_module("stietime.warm_steps").run_warm(argv)
        if code is not None:
            return int(code)
    return run_here(argv)


def run_here(argv: list[str]) -> int:
    """Run the command line in this process.

    Parameters
    ----------
    argv
        The words after `stietime`.

    Returns
    -------
    0 done, 1 a step failed, 2 bad input.
    """
    prepare_environment(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("matplotlib", "fontTools", "numba", "harmonypy", "scanpy"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        arguments = build_parser(argv).parse_args(argv)
        if arguments.command == "step":
            return _run_step(arguments, argv)
        return int(arguments.run(arguments) or EXIT_DONE)
    except InputError as error:
        sys.stderr.write(f"stietime: {error}\n")
        return EXIT_BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
