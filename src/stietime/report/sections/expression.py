"""Section of the cohort's report on gene expression: the reviews' regulators, by the cells that make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stietime import names
from stietime.figures.expression import regulator_dots
from stietime.report import labels
from stietime.report.blocks import Block, Box, Heading, Text, Tiles
from stietime.report.contrast_labels import contrast_label, contrast_sides
from stietime.report.pictures import caption_text, picture
from stietime.report.section_makers import section
from stietime.report.tables import format_percent, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stietime.report.results import Results

# the regulators that the reviews' text is about, drawn whether or not they can be tested
NAMED = ("TGFB1", "IDO1", "ARTN", "GFRA3", "RET", "PDCD1", "CD274", "CTLA4")
MOST_GENES_DRAWN = 28
MOST_ROWS_LISTED = 400
TESTED = "tested"
COLUMNS = (
    *("contrast", "gene", "cell_type", "level", "share_of_expression", "makes_it", "estimate", "ci_low"),
    *("ci_high", "p", "q", "n_patients", "n_pairs", "base_mean", "method", "status", "note"),
)
TEST_COLUMNS = (
    *("contrast", "level", "cell_type", "status", "note", "n_patients", "n_pairs", "n_cells", "n_genes"),
    *("n_genes_left_out", "n_tested", "design", "size_factors", "dispersion_trend"),
)


@section("regulators", "Regulators of the reviews, by the cells that make them")
def regulators(results: Results) -> list[Block]:
    """Draw the regulators by lineage for every main contrast, and list them all."""
    results.need(names.CELLS)
    every = results.table("regulators", COLUMNS)
    tests = results.table("expression_tests", TEST_COLUMNS)
    options, alpha = results.settings.expression, results.settings.comparison.alpha
    facts = {"share": options.min_maker_share, "detection": options.min_maker_detection, "alpha": alpha}
    facts |= {"n_genes": int(every["gene"].nunique()), "min_cells": options.min_cells}
    blocks: list[Block] = [Text(caption_text("regulators", **facts))]
    if every.empty:
        return [
            *blocks,
            Box("note", "No contrast can be made", ("No two groups of samples can be compared.",)),
        ]
    makers = every[every["makes_it"].astype(bool)]
    blocks.append(_tiles(every, makers, tests, alpha))
    for contrast, rows in every.groupby("contrast", sort=False):
        # a stratum repeats the contrast it is part of: it stands in the table only
        if ";" not in str(contrast):
            blocks += list(_contrast(str(contrast), rows, tests, results))
    return [*blocks, _makers_table(makers, results), _tests_table(tests, results)]


def _tiles(every: pd.DataFrame, makers: pd.DataFrame, tests: pd.DataFrame, alpha: float) -> Tiles:
    usable = tests[tests["status"] == TESTED]
    changed = makers[makers["q"] <= alpha]
    changed = changed[changed["status"] == TESTED]
    return Tiles(
        (
            (
                f"{len(usable)} of {len(tests)}",
                "tests of a type in a contrast",
                "the others lack cells or patients",
            ),
            (str(every["gene"].nunique()), "regulators", "genes of the claims and regulator sets"),
            (
                str(changed["gene"].nunique()),
                "of them change in a type that makes them",
                f"in any contrast, q of {alpha:g} or less",
            ),
        )
    )


def _contrast(contrast: str, rows: pd.DataFrame, tests: pd.DataFrame, results: Results) -> Iterator[Block]:
    """Draw the lineages that make each regulator; types where lineages were not asked for."""
    yield Heading(contrast_label(contrast))
    if "confounded" in rows and rows["confounded"].notna().any():
        yield Box("warning", "Nothing can be concluded from this contrast", (rows["confounded"].iloc[0],))
    level = results.settings.expression.levels[0]
    makers = rows[(rows["level"] == level) & rows["makes_it"].astype(bool)]
    tested = makers[makers["p"].notna()]
    if tested.empty:
        reasons = tuple(rows["note"].dropna().value_counts().index[:2])
        yield Box("note", "No regulator is testable in this contrast", reasons)
        return
    genes = _chosen_genes(tested)
    drawn = makers[makers["gene"].isin(genes)]
    types = labels.lineages_in_order(drawn["cell_type"])
    shown = drawn.assign(label=drawn["cell_type"].map(labels.label))
    alpha = results.settings.comparison.alpha
    figure = regulator_dots(
        shown,
        genes,
        [labels.label(name) for name in types],
        alpha=alpha,
        sides=contrast_sides(contrast),
    )
    own = tests[(tests["contrast"] == contrast) & (tests["level"] == level)]
    n = own.loc[own["n_tested"] > 0, "n_patients"]
    facts = {"alpha": alpha, "n_drawn": len(genes), "n": int(tested["gene"].nunique()), "level": level}
    facts |= {"n_rows": len(tested), "n_small": int((tested["q"] <= alpha).sum()), "fewest": int(n.min())}
    facts |= {"most": int(n.max()), "paired": bool((tested["n_pairs"] > 0).any())}
    facts |= {"n_crosses": int(drawn["p"].isna().sum()), "genes_left_out": int(own["n_genes_left_out"].max())}
    caption = caption_text("regulator_dots", **facts)
    alt = (
        f"{contrast_label(contrast)}: {len(genes)} regulators by the lineages that make them; "
        f"{facts['n_small']} of {len(tested)} tests have q of {alpha:g} or less."
    )
    yield picture(figure, alt, caption, (results.link("regulators"), results.link("expression_tests")))


def _chosen_genes(tested: pd.DataFrame) -> list[str]:
    """Choose what is drawn: the regulators that the reviews name, then the smallest p."""
    order = tested.sort_values(["p", "gene"], kind="stable")["gene"].drop_duplicates()
    others = [gene for gene in order if gene not in NAMED]
    return [*NAMED, *others[: MOST_GENES_DRAWN - len(NAMED)]]


def _makers_table(makers: pd.DataFrame, results: Results) -> Block:
    order = makers.assign(_untested=makers["p"].isna()).sort_values(["_untested", "p"], kind="stable").index
    listed = makers.loc[order[:MOST_ROWS_LISTED]]
    shown = pd.DataFrame(
        {
            "contrast": listed["contrast"],
            "gene": listed["gene"],
            "made by": listed["cell_type"].map(labels.label),
            "level": listed["level"].str.replace("_", " "),
            "share": listed["share_of_expression"],
            "log2 fold change": listed["estimate"],
            "interval from": listed["ci_low"],
            "to": listed["ci_high"],
            "p": listed["p"],
            "q": listed["q"],
            "patients": listed["n_patients"],
            "pairs": listed["n_pairs"],
            "mean count": listed["base_mean"],
            "status": listed["status"],
            "note": listed["note"],
        }
    )
    facts = {"n": len(makers), "listed": len(shown), "tested": int(makers["p"].notna().sum())}
    return table(
        shown,
        caption_text("regulator_table", **facts),
        formats={"share": format_percent},
        filters=("contrast", "made by", "level", "status"),
        searchable=True,
        sources=(results.link("regulators"), results.link("differential_expression")),
        folded=f"Show the regulators ({len(shown)} rows)",
    )


def _tests_table(tests: pd.DataFrame, results: Results) -> Block:
    shown = tests[list(TEST_COLUMNS)].assign(cell_type=tests["cell_type"].map(labels.label))
    caption = caption_text("expression_tests", n=len(tests), tested=int((tests["status"] == TESTED).sum()))
    return table(
        shown,
        caption,
        headers={"n_genes": "genes", "n_genes_left_out": "genes left out", "n_tested": "genes tested"},
        filters=("contrast", "level", "status"),
        searchable=True,
        sources=(results.link("expression_tests"), results.link("differential_expression")),
        folded=f"Show what each test rests on ({len(shown)} rows)",
    )
