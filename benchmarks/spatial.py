"""Tissue sections: neighbourhoods, distances and structure, ours beside squidpy and other peers.

`make benchmark-spatial` runs everything and writes `benchmarks/results/spatial.tsv`, `spatial.json` and the
table of `docs/spatial.md`. With `QUICK=1` it takes some minutes and writes to `results/benchmarks/` only, so
that a quick run never replaces measured results.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from benchmarks import spatial_interactions, spatial_pairs, spatial_scale, spatial_spots, spatial_structure
from benchmarks.pages import between_marks, figures_as_markdown
from benchmarks.record import QUICK_RESULTS, RESULTS, show_figures, write_figures

PACKAGES: Final = ("stietime", "squidpy", "anndata", "numpy", "scipy", "numba")
DOCS: Final = Path(__file__).parent.parent / "docs" / "spatial.md"
PARTS: Final = (
    spatial_pairs,
    spatial_scale,
    spatial_structure,
    spatial_spots,
    spatial_interactions,
)


def document(text: str, folder: Path) -> str:
    """Renew the table of the page of sections from the results.

    Parameters
    ----------
    text
        The page, with the mark `spatial`.
    folder
        Folder of `spatial.tsv`.
    """
    return between_marks(text, "spatial", figures_as_markdown(folder / "spatial.tsv", ["ratio", "seed"]))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small cases only; the documents stay")
    parser.add_argument("--only", nargs="*", default=None, help="parts by name; the documents stay")
    arguments = parser.parse_args()
    parts = {part.__name__.rpartition("spatial_")[2]: part for part in PARTS}
    chosen = [parts[name] for name in arguments.only or parts]
    complete = not (arguments.quick or arguments.only)
    folder = RESULTS if complete else QUICK_RESULTS
    figures = [figure for part in chosen for figure in part.figures(quick=arguments.quick)]
    path = write_figures("spatial", figures, PACKAGES, folder)
    if complete:
        DOCS.write_text(document(DOCS.read_text(encoding="utf-8"), folder), encoding="utf-8")
    show_figures(figures, path)


if __name__ == "__main__":
    main()
