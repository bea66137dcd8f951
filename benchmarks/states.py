"""Cell types and states: sorted, staged, labelled and planted cells, ours beside scanpy's scores and pyucell.

`make benchmark-states` runs everything and writes `benchmarks/results/states.tsv`, `states.json` and the
table of `docs/states.md`. With `QUICK=1` it takes some minutes and writes to `results/benchmarks/` only, so
that a quick run never replaces measured results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import states_marrow, states_planted, states_public, states_sorted, states_ucell
from benchmarks.pages import between_marks, figures_as_markdown
from benchmarks.parts import Benchmark, Part

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES: Final = ("stietime", "scanpy", "pyucell", "anndata", "numpy", "scipy", "scikit-learn", "numba")
PARTS: Final[dict[str, Part]] = {
    "sorted": states_sorted.figures,
    "public": states_public.figures,
    "marrow": states_marrow.figures,
    "planted": states_planted.figures,
    "ucell": states_ucell.figures,
}


def document(text: str, folder: Path) -> str:
    """Renew the table of the page of states from the results.

    Parameters
    ----------
    text
        The page, with the mark `states`.
    folder
        Folder of `states.tsv`.
    """
    return between_marks(text, "states", figures_as_markdown(folder / "states.tsv", ["ratio", "seed"]))


BENCHMARK: Final = Benchmark("states", PARTS, PACKAGES, {"states": document})


if __name__ == "__main__":
    BENCHMARK.run(__doc__ or "")
