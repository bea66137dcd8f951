"""Tests between patients: level, false discovery, power and coverage beside peers; planted cohorts; speed.

`make benchmark-statistics` runs everything in about half an hour on one core and writes
`benchmarks/results/statistics.tsv`, `statistics.json` and the tables of `docs/statistics.md` and
`docs/meta.md`. With `QUICK=1` it takes a minute or two and writes to `results/benchmarks/` only, so that a
quick run never replaces measured results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from benchmarks import (
    statistics_claims,
    statistics_clones,
    statistics_combined,
    statistics_demo,
    statistics_null,
    statistics_speed,
)
from benchmarks.pages import as_markdown, between_marks, figures_as_markdown
from benchmarks.parts import Benchmark, Part

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES: Final = ("stietime", "numpy", "scipy", "pandas")
PARTS: Final[dict[str, Part]] = {
    "pairs_of_pbmc": statistics_null.pairs_of_pbmc,
    "pairs_of_lung": statistics_null.pairs_of_lung,
    "pairs_of_t_cells": statistics_null.pairs_of_t_cells,
    "groups": statistics_null.groups,
    "demo": statistics_demo.figures,
    "claims": statistics_claims.figures,
    "speed": statistics_speed.figures,
    "clones": statistics_clones.figures,
    "combined": statistics_combined.figures,
}
UNTIMED: Final = frozenset(PARTS) - {"speed"}


def document(text: str, folder: Path) -> str:
    """Renew the tables of the page of statistics from the results.

    Parameters
    ----------
    text
        The page, with the marks `peers` and `statistics`.
    folder
        Folder of `statistics.tsv`.
    """
    path = folder / "statistics.tsv"
    figures = pd.read_csv(path, sep="\t")
    of_one = figures[~figures["case"].str.contains(statistics_combined.OF_SEVERAL)]
    text = between_marks(text, "peers", as_markdown(beside_peers(of_one)))
    targets = folder / "targets.tsv"
    figures[figures["target"].notna()].to_csv(targets, sep="\t", index=False)
    listed = figures_as_markdown(targets, ["ratio", "seed"])
    targets.unlink()
    return between_marks(text, "statistics", listed)


def beside_peers(figures: pd.DataFrame) -> pd.DataFrame:
    """Set our figures beside those of every peer, one row per metric and case."""
    compared = figures[figures["peer_name"].notna()]
    wide = compared.pivot_table(index=["metric", "case"], columns="peer_name", values="peer", sort=False)
    wide.insert(0, "ours", compared.groupby(["metric", "case"], sort=False)["ours"].first())
    return wide.reset_index()


def document_combined(text: str, folder: Path) -> str:
    """Renew the table of the page of combined cohorts from a table of figures.

    Parameters
    ----------
    text
        The page, with the mark `combined`.
    folder
        Folder of `statistics.tsv`.
    """
    figures = pd.read_csv(folder / "statistics.tsv", sep="\t")
    of_several = figures[figures["case"].str.contains(statistics_combined.OF_SEVERAL)]
    return between_marks(text, "combined", as_markdown(beside_peers(of_several)))


PAGES: Final = {"statistics": document, "meta": document_combined}
BENCHMARK: Final = Benchmark("statistics", PARTS, PACKAGES, PAGES, UNTIMED)


if __name__ == "__main__":
    BENCHMARK.run(__doc__ or "")
