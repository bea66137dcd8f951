"""Tests between patients: level, false discovery, power and coverage beside peers; planted cohorts; speed.

`make benchmark-statistics` runs everything in about half an hour on one core and writes
`benchmarks/results/statistics.tsv`, `statistics.json` and the tables of `docs/statistics.md`. With `QUICK=1`
it takes a minute or two and writes to `results/benchmarks/` only, so that a quick run never replaces
measured results.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from benchmarks import (
    statistics_claims,
    statistics_clones,
    statistics_demo,
    statistics_null,
    statistics_speed,
)
from benchmarks.pages import as_markdown, between_marks, figures_as_markdown
from benchmarks.record import QUICK_RESULTS, RESULTS, show_figures, write_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.record import Figure

PACKAGES: Final = ("stietime", "numpy", "scipy", "pandas")
DOCS: Final = Path(__file__).parent.parent / "docs" / "statistics.md"
PARTS: Final[dict[str, Callable[..., list[Figure]]]] = {
    "pairs_of_pbmc": statistics_null.pairs_of_pbmc,
    "pairs_of_lung": statistics_null.pairs_of_lung,
    "groups": statistics_null.groups,
    "demo": statistics_demo.figures,
    "claims": statistics_claims.figures,
    "speed": statistics_speed.figures,
    "clones": statistics_clones.figures,
}


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
    compared = figures[figures["peer_name"].notna()]
    wide = compared.pivot_table(index=["metric", "case"], columns="peer_name", values="peer", sort=False)
    wide.insert(0, "ours", compared.groupby(["metric", "case"], sort=False)["ours"].first())
    text = between_marks(text, "peers", as_markdown(wide.reset_index()))
    targets = folder / "targets.tsv"
    figures[figures["target"].notna()].to_csv(targets, sep="\t", index=False)
    listed = figures_as_markdown(targets, ["ratio", "seed"])
    targets.unlink()
    return between_marks(text, "statistics", listed)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small cases only; the documents stay")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=None, help="parts; the documents stay")
    arguments = parser.parse_args()
    complete = not (arguments.quick or arguments.only)
    folder = RESULTS if complete else QUICK_RESULTS
    figures = [figure for name in arguments.only or PARTS for figure in PARTS[name](quick=arguments.quick)]
    name = "statistics" if complete else "-".join(["statistics", *(arguments.only or ["quick"])])
    path = write_figures(name, figures, PACKAGES, folder)
    if complete:
        DOCS.write_text(document(DOCS.read_text(encoding="utf-8"), folder), encoding="utf-8")
    show_figures(figures, path)


if __name__ == "__main__":
    main()
