"""Section of the cohort's report on what the cells of a state express beside the genes they are called by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stietime import names
from stietime.report.labels import STATE_NAMES
from stietime.report.pictures import caption_text
from stietime.report.section_makers import section
from stietime.report.tables import format_two_digits, table

if TYPE_CHECKING:
    import pandas as pd

    from stietime.report.blocks import Block
    from stietime.report.results import Results

N_SHOWN = 6


@section("profiles", "States: what else their cells express")
def profiles(results: Results) -> list[Block]:
    """Show the genes outside the sets that go with each state, and how far they agree with the calls."""
    results.need(names.CELLS)
    columns = ["state", "n_parent", "n_called", "n_expected", "auroc_called", "note"]
    frame = results.table("state_agreement", columns)[columns]
    genes = results.table("state_profiles", ["state", "gene", "log2_ratio"])
    told = dict(iter(genes.groupby("state", sort=False)))
    frame["higher"] = [_list_genes(told.get(state), 1) for state in frame["state"]]
    frame["lower"] = [_list_genes(told.get(state), -1) for state in frame["state"]]
    frame["state"] = frame["state"].map(STATE_NAMES)
    headers = {
        "n_parent": "cells of the parent",
        "n_called": "called",
        "n_expected": "expected by the evidence",
        "auroc_called": "called cells set apart (AUROC)",
        "higher": "higher in evident cells",
        "lower": "lower",
    }
    shown = table(
        frame[[*columns[:-1], "higher", "lower", "note"]],
        caption_text("state_profiles"),
        headers=headers,
        formats={"auroc_called": format_two_digits},
        sources=(results.link("state_agreement"), results.link("state_profiles")),
    )
    return [shown]


def _list_genes(part: pd.DataFrame | None, sign: int) -> str:
    """Name the first genes that are higher (1) or lower (-1), with how many times."""
    if part is None:
        return ""
    ratio = part["log2_ratio"].astype(float) * sign
    first = part[ratio > 0].head(N_SHOWN)
    times = 2.0 ** ratio[ratio > 0].head(N_SHOWN)
    return ", ".join(f"{gene} ({many:.1f}x)" for gene, many in zip(first["gene"], times, strict=True))
