"""Tissue sections: neighbourhoods, distances and structure, ours beside squidpy and other peers.

`make benchmark-spatial` runs everything and writes `benchmarks/results/spatial.tsv`, `spatial.json` and the
table of `docs/spatial.md`. With `QUICK=1` it takes some minutes and writes to `results/benchmarks/` only, so
that a quick run never replaces measured results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import spatial_interactions, spatial_pairs, spatial_scale, spatial_spots, spatial_structure
from benchmarks.pages import between_marks, figures_as_markdown
from benchmarks.parts import Benchmark, Part

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES: Final = ("stietime", "squidpy", "anndata", "numpy", "scipy", "scikit-learn", "numba")
PARTS: Final[dict[str, Part]] = {
    "pairs": spatial_pairs.figures,
    "scale": spatial_scale.figures,
    "structure": spatial_structure.figures,
    "spots": spatial_spots.figures,
    "interactions": spatial_interactions.figures,
}


def document(text: str, folder: Path) -> str:
    """Renew the table of the page of sections from the results.

    Parameters
    ----------
    text
        The page, with the mark `spatial`.
    folder
        Folder of `spatial.tsv`.
    """
    return between_marks(text, "spatial", figures_as_markdown(folder / "spatial.tsv", ["seed"]))


BENCHMARK: Final = Benchmark("spatial", PARTS, PACKAGES, {"spatial": document})


if __name__ == "__main__":
    BENCHMARK.run(__doc__ or "")
