"""Cell types and states: sorted, staged, labelled and planted cells, ours beside scanpy's scores and pyucell.

`make benchmark-states` runs everything and writes `benchmarks/results/states.tsv`, `states.json` and the
table of `docs/states.md`. With `QUICK=1` it takes some minutes and writes to `results/benchmarks/` only, so
that a quick run never replaces measured results.
"""

from __future__ import annotations

from typing import Final

from benchmarks import states_marrow, states_planted, states_public, states_sorted, states_ucell
from benchmarks.pages import table_page
from benchmarks.parts import Benchmark, Part

PACKAGES: Final = ("stietime", "scanpy", "pyucell", "anndata", "numpy", "scipy", "scikit-learn", "numba")
PARTS: Final[dict[str, Part]] = {
    "sorted": states_sorted.figures,
    "public": states_public.figures,
    "marrow": states_marrow.figures,
    "planted": states_planted.figures,
    "ucell": states_ucell.figures,
}
document: Final = table_page("states", ["ratio", "seed"])
BENCHMARK: Final = Benchmark("states", PARTS, PACKAGES, {"states": document})


if __name__ == "__main__":
    BENCHMARK.run(__doc__ or "")
