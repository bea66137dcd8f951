"""Quality control beside the peers: losses by lineage, doublets, ambient RNA.

`make benchmark-quality` runs everything and writes
`benchmarks/results/quality.tsv`, `quality_losses.tsv`, `quality.json` and the tables of `docs/quality.md`.
With `QUICK=1` it takes about two minutes and writes to `results/benchmarks/` only, so that a quick run never
replaces measured results.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks import quality_ambient, quality_captures, quality_doublets, quality_filters
from benchmarks.pages import as_markdown, between_marks, figures_as_markdown
from benchmarks.record import QUICK_RESULTS, RESULTS, show_figures, write_figures

PACKAGES: Final = ("stietime", "scanpy", "anndata", "numpy", "scipy", "scikit-learn", "numba")
DOCS: Final = Path(__file__).parent.parent / "docs" / "quality.md"
PARTS: Final = (quality_filters, quality_doublets, quality_ambient, quality_captures)


def document(text: str, folder: Path) -> str:
    """Renew the tables of the quality page from the results.

    Parameters
    ----------
    text
        The page.
    folder
        Folder of `quality.tsv` and `quality_losses.tsv`.
    """
    figures = figures_as_markdown(folder / "quality.tsv", without=["ratio"])
    losses = pd.read_csv(folder / "quality_losses.tsv", sep="\t")
    for column in [name for name in losses.columns if name.startswith("lost_")]:
        losses[column] = losses[column].map(lambda share: "" if pd.isna(share) else f"{100 * share:.0f} %")
    losses.columns = [name.removeprefix("lost_").replace("_", " ") for name in losses.columns]
    text = between_marks(text, "figures", figures)
    return between_marks(text, "losses", as_markdown(losses))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small cases only; the documents stay")
    quick = parser.parse_args().quick
    folder = QUICK_RESULTS if quick else RESULTS
    figures = [figure for part in PARTS for figure in part.figures(quick=quick)]
    path = write_figures("quality", figures, PACKAGES, folder)
    losses = quality_filters.lineage_loss_table(quick=quick)
    losses.to_csv(folder / "quality_losses.tsv", sep="\t", index=False, float_format="%.4g")
    if not quick:
        DOCS.write_text(document(DOCS.read_text(encoding="utf-8"), folder), encoding="utf-8")
    show_figures(figures, path)


if __name__ == "__main__":
    main()
