"""Follow a run of Snakemake: a line of progress, and on failure the job, its log and its last words."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

JOB = re.compile(r"^\s*(?:local)?(rule|checkpoint) (?P<rule>\w+):")
WILDCARDS = re.compile(r"^\s*wildcards: (?P<wildcards>.+)$")
STEPS = re.compile(r"^(?P<done>\d+) of (?P<total>\d+) steps")
FAILED = re.compile(r"^Error in rule (?P<rule>\w+)")
LOG = re.compile(r"^\s*log: (?P<log>\S+?),?(?: \(|$)")
LOG_LINES_SHOWN = 15


@dataclass
class Progress:
    """What has been read from Snakemake so far."""

    rule: str = ""
    wildcards: str = ""
    done: int = 0
    total: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=30))
    _failing: str = ""

    def read(self, line: str) -> bool:
        """Take in one line; say whether there is something new to show.

        Parameters
        ----------
        line
            A line of Snakemake's output.
        """
        self.last_lines.append(line.rstrip())
        if match := JOB.match(line):
            self.rule, self.wildcards, self._failing = match["rule"], "", ""
            return True
        if match := WILDCARDS.match(line):
            self.wildcards = match["wildcards"]
            return False
        if match := STEPS.match(line):
            self.done, self.total = int(match["done"]), int(match["total"])
            return True
        if match := FAILED.match(line):
            self._failing = match["rule"]
            self.failed.setdefault(self._failing, "")
        elif self._failing and (match := LOG.match(line)):
            self.failed[self._failing] = match["log"]
            self._failing = ""
        return False

    def message(self, seconds: float) -> str:
        """Say in one line how far the run is.

        Parameters
        ----------
        seconds
            Time since the start.
        """
        name = " ".join([self.rule.replace("_", " "), self.wildcards.partition("=")[2]]).strip()
        if not self.done:
            return f"[  ?/{self.total or '?'}] {name}"
        left = seconds / self.done * (self.total - self.done)
        time_left = f"about {left / 60:.0f} min left" if left >= 90 else f"about {left:.0f} s left"
        return f"[{self.done:3d}/{self.total}] {name}  ({time_left})"


def _show(text: str, *, terminal: bool) -> None:
    sys.stderr.write(f"\r\x1b[2K{text[:110]}" if terminal else f"{text}\n")
    sys.stderr.flush()


def _explain(progress: Progress) -> None:
    """Say which jobs failed, why, and where their logs are."""
    for rule, log in progress.failed.items():
        sys.stderr.write(f"\nstietime: the step {rule.replace('_', '-')} failed\n")
        if log and Path(log).is_file():
            lines = Path(log).read_text(encoding="utf-8").splitlines()
            sys.stderr.writelines(f"  {line}\n" for line in lines[-LOG_LINES_SHOWN:])
        sys.stderr.write(f"  log: {log or 'none'}\n")
        sys.stderr.write(
            "  fix the cause and start the same command again: what is done is not done twice;\n"
        )
        sys.stderr.write("  the log's first line runs this step alone\n")
    if not progress.failed:
        sys.stderr.write("\nstietime: Snakemake stopped; its last words were\n")
        sys.stderr.writelines(f"  {line}\n" for line in progress.last_lines)


def follow(command: list[str], environment: dict[str, str]) -> int:
    """Run Snakemake and show how far it is.

    Parameters
    ----------
    command
        Snakemake's command line.
    environment
        Environment of the process.

    Returns
    -------
    Snakemake's exit code.
    """
    terminal = sys.stderr.isatty()
    start = time.monotonic()
    progress = Progress()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines: Iterable[str] = process.stdout or []
        for line in lines:
            if progress.read(line) and progress.rule and STEPS.match(line):
                _show(progress.message(time.monotonic() - start), terminal=terminal)
    if terminal:
        sys.stderr.write("\n")
    if process.returncode:
        _explain(progress)
    return process.returncode
