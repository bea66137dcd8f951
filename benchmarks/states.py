"""Cell types and states: sorted, staged, labelled and planted cells, ours beside scanpy's scores and pyucell.

`make benchmark-states` runs everything and writes `benchmarks/results/states.tsv`, `states.json` and the
table of `docs/states.md`. With `QUICK=1` it takes some minutes and writes to `results/benchmarks/` only, so
that a quick run never replaces measured results.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from benchmarks import states_marrow, states_planted, states_public, states_sorted, states_ucell
from benchmarks.pages import between_marks, figures_as_markdown
from benchmarks.record import QUICK_RESULTS, RESULTS, show_figures, write_figures

PACKAGES: Final = ("stietime", "scanpy", "pyucell", "anndata", "numpy", "scipy", "scikit-learn", "numba")
DOCS: Final = Path(__file__).parent.parent / "docs" / "states.md"
PARTS: Final = (states_sorted, states_public, states_marrow, states_planted, states_ucell)


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


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small cases only; the documents stay")
    parser.add_argument("--only", nargs="*", default=None, help="parts by name; the documents stay")
    arguments = parser.parse_args()
    parts = {part.__name__.rpartition("states_")[2]: part for part in PARTS}
    chosen = [parts[name] for name in arguments.only or parts]
    complete = not (arguments.quick or arguments.only)
    folder = RESULTS if complete else QUICK_RESULTS
    figures = [figure for part in chosen for figure in part.figures(quick=arguments.quick)]
    path = write_figures("states", figures, PACKAGES, folder)
    if complete:
        DOCS.write_text(document(DOCS.read_text(encoding="utf-8"), folder), encoding="utf-8")
    show_figures(figures, path)


if __name__ == "__main__":
    main()
