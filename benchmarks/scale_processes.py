"""What a command costs: wall time, processor time and peak memory of its whole tree of processes (Linux).

The tree is looked at every 0.2 s. Memory is the sum of the proportional set sizes (PSS), in which a page that
several processes share counts once; the sum of the resident sizes stands beside it.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from stietime.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PROC: Final = Path("/proc")
EVERY_S: Final = 0.2
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
TICKS: Final = os.sysconf("SC_CLK_TCK")
GIB: Final = 2**30
MAX_NAME: Final = 15  # characters of a process name


class Stat(NamedTuple):
    """What `/proc/<pid>/stat` tells: times in seconds, start since the machine started, memory in bytes."""

    parent: int
    cpu: float
    start: float
    resident: int


@dataclass
class Process:
    """One process of the tree; times in seconds since the command began, memory in bytes.

    Parameters
    ----------
    words
        Its command line.
    start, end
        When it began, and when it was last seen.
    cpu
        Processor time of its own, children left out.
    resident
        Largest resident memory.
    """

    words: tuple[str, ...]
    start: float
    end: float
    cpu: float
    resident: int


@dataclass
class Cost:
    """What a command cost.

    Parameters
    ----------
    wall
        Seconds from start to end.
    cpu
        Processor seconds of the command and all its descendants.
    peak_pss, peak_resident
        Peak of the summed memory of the tree, in bytes.
    code
        Exit code.
    processes
        Every process that was seen.
    """

    wall: float = 0.0
    cpu: float = 0.0
    peak_pss: int = 0
    peak_resident: int = 0
    code: int = 0
    processes: list[Process] = field(default_factory=list)


def parse_stat(text: str) -> Stat:
    """Read the line of `/proc/<pid>/stat`; the name in brackets may hold blanks and brackets itself."""
    values = text[text.rindex(")") + 2 :].split()
    cpu = (int(values[11]) + int(values[12])) / TICKS
    return Stat(int(values[1]), cpu, int(values[19]) / TICKS, int(values[21]) * PAGE)


def read_stats() -> dict[int, Stat]:
    """Read every process of the machine; those that end meanwhile are left out."""
    found = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = parse_stat((folder / "stat").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
    return found


def descendants(stats: Mapping[int, Stat], roots: Iterable[int]) -> set[int]:
    """Find processes and all their descendants.

    Parameters
    ----------
    stats
        The processes of the machine, by id.
    roots
        Ids to begin with; those that are not running are left out.
    """
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found: set[int] = set()
    ahead = [pid for pid in roots if pid in stats]
    while ahead:
        pid = ahead.pop()
        if pid not in found:
            found.add(pid)
            ahead.extend(children.get(pid, ()))
    return found


def proportional_size(pid: int) -> int:
    """Read the proportional set size of a process in bytes; 0 when it has ended."""
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


class Watch:
    """Look at a tree of processes from time to time.

    Parameters
    ----------
    root
        Id of the command.
    """

    def __init__(self, root: int) -> None:
        self._known = {root}
        self._begin = time.monotonic()
        self._seen: dict[tuple[int, float], Process] = {}
        self.peak_pss = 0
        self.peak_resident = 0

    def look(self) -> None:
        """Note the processes of the tree; a child stays in it when its parent has ended."""
        stats, now = read_stats(), time.monotonic()
        tree = descendants(stats, self._known)
        self._known |= tree
        resident = sum(stats[pid].resident for pid in tree)
        self.peak_resident = max(self.peak_resident, resident)
        # PSS is costly to read and never above the resident size, so it is read only where it could be a peak
        if resident > self.peak_pss:
            self.peak_pss = max(self.peak_pss, sum(map(proportional_size, tree)))
        for pid in tree:
            self._note(pid, stats[pid], now)

    def _note(self, pid: int, stat: Stat, now: float) -> None:
        place = (pid, stat.start)
        words = _words(pid)
        if place not in self._seen:
            start = stat.start - time.clock_gettime(time.CLOCK_BOOTTIME) + time.monotonic() - self._begin
            self._seen[place] = Process(words, max(start, 0.0), 0.0, 0.0, 0)
        process = self._seen[place]
        process.words = words or process.words
        process.end, process.cpu = now - self._begin, stat.cpu
        process.resident = max(process.resident, stat.resident)

    @property
    def processes(self) -> list[Process]:
        """Every process that was seen, in the order of their starts."""
        return sorted(self._seen.values(), key=lambda process: process.start)


def _words(pid: int) -> tuple[str, ...]:
    try:
        text = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ()
    # a process that has ended and is not yet waited for has an empty command line
    words = tuple(text.rstrip("\0").split("\0")) if text else ()
    return ("stietime", "step", _forked_step(pid)) if "stietime.warm_steps" in words else words


def _forked_step(pid: int) -> str:
    """Name the step that a process does which was forked for it; empty for the one it was forked from."""
    try:
        name = (PROC / str(pid) / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    return next((step for step in STEPS if step[:MAX_NAME] == name), "")


def measure(
    words: Sequence[str], log: Path, *, folder: Path | None = None, extra: Mapping[str, str] | None = None
) -> Cost:
    """Run a command and watch its processes.

    Parameters
    ----------
    words
        The command line.
    log
        Receives what the command prints.
    folder
        Where it is run; here when left out.
    extra
        Variables that are added to the environment.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    with log.open("wb") as handle:
        environment = {**os.environ, **(extra or {})}
        child = subprocess.Popen(words, stdout=handle, stderr=handle, cwd=folder, env=environment)
        watch = Watch(child.pid)
        while True:
            watch.look()
            try:
                code = child.wait(EVERY_S)
            except subprocess.TimeoutExpired:
                continue
            break
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, watch.peak_pss, watch.peak_resident, code, watch.processes)


def span(processes: Iterable[Process]) -> float:
    """Sum the seconds in which at least one of the processes ran."""
    total, end = 0.0, float("-inf")
    for process in sorted(processes, key=lambda item: item.start):
        total += max(process.end - max(process.start, end), 0.0)
        end = max(end, process.end)
    return total
