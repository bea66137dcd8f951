"""A benchmark of several parts: all in one run, or chosen ones beside the committed results."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from benchmarks.record import QUICK_RESULTS, RESULTS, show_figures, write_figures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.record import Figure

PAGES: Final = Path(__file__).parent.parent / "docs"


class Part(Protocol):
    """What measures one part; at module level, so that another process can run it."""

    def __call__(self, *, quick: bool) -> list[Figure]:
        """Measure; quick: small cases only."""


@dataclass(frozen=True)
class Benchmark:
    """A benchmark of parts.

    Parameters
    ----------
    name
        Name of the results.
    parts
        What is measured, by name, in the order of the table.
    packages
        Distributions whose versions are recorded.
    documents
        Pages of the documents by name, each with what renews it: text and folder of results to text.
    untimed
        Parts that measure no time: they share the cores, after the others, which run alone one by one.
    """

    name: str
    parts: dict[str, Part]
    packages: Sequence[str]
    documents: Mapping[str, Callable[[str, Path], str]]
    untimed: frozenset[str] = field(default=frozenset())

    def run(self, description: str) -> None:
        """Read the command line, measure, write the results, renew the page after a complete run.

        Parameters
        ----------
        description
            What the benchmark is, for `--help`.
        """
        parser = argparse.ArgumentParser(description=description.splitlines()[0])
        parser.add_argument("--quick", action="store_true", help="small cases only; the documents stay")
        parser.add_argument(
            "--only", nargs="*", choices=self.parts, default=None, help="parts; the documents stay"
        )
        arguments = parser.parse_args()
        complete = not (arguments.quick or arguments.only)
        folder = RESULTS if complete else QUICK_RESULTS
        figures = self.measure(arguments.only or list(self.parts), quick=arguments.quick)
        name = self.name if complete else "-".join([self.name, *(arguments.only or ["quick"])])
        path = write_figures(name, figures, self.packages, folder)
        for name, renewed in self.documents.items() if complete else ():
            page = PAGES / f"{name}.md"
            page.write_text(renewed(page.read_text(encoding="utf-8"), folder), encoding="utf-8")
        show_figures(figures, path)

    def measure(self, chosen: Sequence[str], *, quick: bool) -> list[Figure]:
        """Measure parts, those with times alone, and put their figures in the order of the parts.

        Parameters
        ----------
        chosen
            Names of parts.
        quick
            Small cases only.
        """
        found = {name: _timed(name, self.parts[name], quick) for name in chosen if name not in self.untimed}
        beside = [name for name in chosen if name in self.untimed]
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # a fork of threads that compiled code has started would hang
        context = multiprocessing.get_context("spawn")
        if len(beside) > 1 and n_cores > 1:
            with ProcessPoolExecutor(min(n_cores, len(beside)), mp_context=context) as pool:
                running = {name: pool.submit(_timed, name, self.parts[name], quick) for name in beside}
                found |= {name: future.result() for name, future in running.items()}
        else:
            found |= {name: _timed(name, self.parts[name], quick) for name in beside}
        return [figure for name in self.parts if name in found for figure in found[name]]


def _timed(name: str, part: Part, quick: bool) -> list[Figure]:  # noqa: FBT001 - given to another process
    start = time.perf_counter()
    figures = part(quick=quick)
    print(f"{name}: {len(figures)} figures in {time.perf_counter() - start:.0f} s", flush=True)
    return figures
