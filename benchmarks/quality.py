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
from benchmarks.record import RESULTS, figure_table, write_figures

PACKAGES: Final = ("stietime", "scanpy", "anndata", "numpy", "scipy", "scikit-learn", "numba")
DOCS: Final = Path(__file__).parent.parent / "docs" / "quality.md"
QUICK_RESULTS: Final = Path("results/benchmarks")
PARTS: Final = (quality_filters, quality_doublets, quality_ambient, quality_captures)


def as_markdown(table: pd.DataFrame) -> str:
    """Write a table as Markdown; numbers with three digits, nothing for what is not there."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if pd.isna(value) else f"{value:.3g}"
        return str(value)

    rows = [list(table.columns), ["---"] * table.shape[1]]
    rows += [[cell(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def between_marks(text: str, name: str, content: str) -> str:
    """Put content between `<!-- name -->` and `<!-- end of name -->`.

    Raises
    ------
    ValueError
        The text does not hold the marks.
    """
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if start not in text or end not in text:
        message = f"the marks {start} and {end} are missing"
        raise ValueError(message)
    before, _, rest = text.partition(start)
    return f"{before}{start}\n\n{content}\n\n{end}{rest.partition(end)[2]}"


def document(text: str, folder: Path) -> str:
    """Renew the tables of the quality page from the results.

    Parameters
    ----------
    text
        The page.
    folder
        Folder of `quality.tsv` and `quality_losses.tsv`.
    """
    figures = pd.read_csv(folder / "quality.tsv", sep="\t").drop(columns=["ratio"])
    figures["met"] = figures["met"].map({True: "yes", False: "**no**"}).fillna("")
    losses = pd.read_csv(folder / "quality_losses.tsv", sep="\t")
    for column in [name for name in losses.columns if name.startswith("lost_")]:
        losses[column] = losses[column].map(lambda share: "" if pd.isna(share) else f"{100 * share:.0f} %")
    losses.columns = [name.removeprefix("lost_").replace("_", " ") for name in losses.columns]
    for column in ("peer_name", "target"):
        figures[column] = figures[column].fillna("")
    text = between_marks(text, "figures", as_markdown(figures))
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
    table = figure_table(figures)
    print(table.to_string(index=False))
    missed = int((table["met"] == "false").sum())
    print(f"\n{len(table)} figures, {missed} targets not met: {path}")


if __name__ == "__main__":
    main()
