"""What was measured, as tables of the documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


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


def figures_as_markdown(path: Path, without: Sequence[str]) -> str:
    """Write the table of a benchmark's figures as Markdown.

    Parameters
    ----------
    path
        The table, as `record.write_figures` wrote it.
    without
        Columns that are left out.
    """
    figures = pd.read_csv(path, sep="\t").drop(columns=list(without))
    figures["met"] = figures["met"].map({True: "yes", False: "**no**"}).fillna("")
    return as_markdown(figures.fillna({"peer_name": "", "target": ""}))


def table_page(name: str, without: Sequence[str]) -> Callable[[str, Path], str]:
    """Make what renews a page of one table: all figures of a benchmark, between the marks of its name.

    Parameters
    ----------
    name
        Name of the results and of the marks.
    without
        Columns that are left out.

    Returns
    -------
    Text of the page and folder of the results to text.
    """
    return lambda text, folder: between_marks(
        text, name, figures_as_markdown(folder / f"{name}.tsv", without)
    )
