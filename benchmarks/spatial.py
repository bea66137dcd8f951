"""Tissue sections: neighbourhoods, distances and structure, ours beside squidpy and other peers.

`make benchmark-spatial` runs everything and writes `benchmarks/results/spatial.tsv`, `spatial.json` and the
table of `docs/spatial.md`. With `QUICK=1` it takes some minutes and writes to `results/benchmarks/` only, so
that a quick run never replaces measured results.
"""

from __future__ import annotations

from typing import Final

from benchmarks import spatial_interactions, spatial_pairs, spatial_scale, spatial_spots, spatial_structure
from benchmarks.pages import table_page
from benchmarks.parts import Benchmark, Part

PACKAGES: Final = ("stietime", "squidpy", "anndata", "numpy", "scipy", "scikit-learn", "numba")
PARTS: Final[dict[str, Part]] = {
    "pairs": spatial_pairs.figures,
    "scale": spatial_scale.figures,
    "structure": spatial_structure.figures,
    "spots": spatial_spots.figures,
    "interactions": spatial_interactions.figures,
}
document: Final = table_page("spatial", ["seed"])
BENCHMARK: Final = Benchmark("spatial", PARTS, PACKAGES, {"spatial": document})


if __name__ == "__main__":
    BENCHMARK.run(__doc__ or "")
