"""The part of the report that says what the integration did."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from stietime.report.sections.cells import embedding
from stietime.report.sections.mixing import meaning_of, mixing_blocks
from stietime.report.tables import MISSING
from stietime.storage import write_table

COLUMNS = ["embedding", "metric", "stratum", "value", "ideal", "n", "note"]
PAIRS = [  # metric, before, after, ideal
    ("lisi_batch", 1.1, 2.0, 2.9),
    ("kbet_batch", 0.04, 0.03, 0.95),
    ("silhouette_batch", 0.2, 0.1, 0.0),
    ("pc_regression_batch", 0.3, 0.1, 0.0),
    ("lisi_given_cell_type", 1.05, 1.4, 1.0),
    ("lisi_provisional_lineage", 1.0, 1.0, 2.9),
    ("silhouette_type", 0.2, 0.3, 1.0),
    ("graph_connectivity", 0.9, 0.9, 1.0),
    ("lisi_environment", 1.6, 1.7, 2.0),
]


@pytest.fixture
def integrated(fabricated):
    """A cohort whose integration is told in full."""
    rows = []
    for metric, before, after, ideal in PAIRS:
        for stratum, lower in (("all", 0), ("batch=b1", 0.01), ("environment=TIME", 0.02)):
            rows += [
                ("pca", metric, stratum, before - lower, ideal, 600, ""),
                ("harmony", metric, stratum, after - lower, ideal, 600, "few cells: 20"),
            ]
    rows += [
        ("graph", "graph_lisi_batch", "all", 2.2, 2.9, 640, ""),
        ("graph", "graph_connectivity_all_cells", "all", 0.93, 1.0, 640, ""),
        ("umap", "n_fitted", "all", 500, None, 640, "fitted to a random sample"),
        ("harmony", "harmony_objective_3", "all", 712.0, None, 640, ""),
        ("design", "batch_tells_environment", "all", 0.25, 0.0, 12, "x"),
        ("design", "warning", "all", None, None, 12, "a warning"),
    ]
    write_table(pd.DataFrame(rows, columns=COLUMNS), fabricated.path("integration_metrics"))
    return fabricated


def rows_of(block):
    headers = [text for text, _ in block.headers]
    return [dict(zip(headers, (cell.text for cell in row), strict=True)) for row in block.rows]


def tables(blocks):
    return [block for block in blocks if block.kind == "table"]


def test_every_metric_stands_before_beside_after_with_what_became_of_it(integrated):
    whole = rows_of(tables(mixing_blocks(integrated.open()))[0])
    told = {re.search(r"\((.*)\)$", row["what is measured"])[1]: row for row in whole if row["aim"] == "mix"}
    assert {name: row["change"] for name, row in told.items()} == {
        "iLISI": "better",
        "kBET, accepted": "the same",
        "silhouette": "better",
        "PC regression": "better",
    }
    first = whole[0]
    assert [first[name] for name in ("before (PCA)", "after (Harmony)", "best possible")] == [
        "1.10",
        "2.00",
        "2.90",
    ]
    assert first["in the graph"] == "2.20"
    assert first["cells"] == "600"
    apart = [row for row in whole if row["aim"] == "stay apart"]
    assert [row["change"] for row in apart] == ["worse", "better", "the same"]
    assert apart[2]["in the graph"] == "0.93"
    assert whole[-1]["aim"] == "none"
    assert (whole[-1]["change"], whole[-1]["best possible"]) == ("", MISSING)
    assert whole[-1]["note"] == "fully mixed: 2.00"
    assert len(whole) == len(PAIRS) - 1  # the first guess is not shown where the authors' types are


def test_batches_and_environments_are_folded_below(integrated):
    parts = tables(mixing_blocks(integrated.open()))[1]
    assert parts.folded == "Show the same within each batch and environment (16 rows)"
    assert {row["among"] for row in rows_of(parts)} == {"batch b1", "environment TIME"}
    of_time = [row for row in rows_of(parts) if row["among"] == "environment TIME"]
    assert of_time[0]["after (Harmony)"] == "1.98"


def test_facts_are_named_and_hold_no_metric(integrated):
    facts = dict(mixing_blocks(integrated.open())[-1].items)
    assert facts == {
        "cells that UMAP was fitted to": "500",
        "what batch tells of the environment (tau, 0 to 1)": "0.250",
    }


@pytest.mark.parametrize(
    ("method", "columns", "words"),
    [
        ("harmony", {"before (PCA)", "after (Harmony)"}, "Harmony corrects only where cells lie"),
        ("bbknn", {"not corrected (PCA)"}, "in the graph of neighbours only"),
        ("none", {"not corrected (PCA)"}, "no batch correction was asked for"),
    ],
)
def test_each_method_says_where_its_correction_is(integrated, method, columns, words):
    blocks = mixing_blocks(integrated.open(integration={"method": method}))
    headers = {text for text, _ in tables(blocks)[0].headers}
    assert {name for name in headers if "PCA" in name or "Harmony" in name} == columns
    assert ("change" in headers) == (method == "harmony")
    assert "There is no corrected expression matrix" in blocks[0].html
    assert words in blocks[0].html
    assert "use the counts as they were measured" in blocks[0].html


def test_the_caption_of_the_drawing_says_how_many_cells_were_fitted(integrated, fabricated):
    drawing = embedding(integrated.open()).blocks[0]
    n = int(re.search(r"n = (\d+)", drawing.caption)[1])
    assert n > 500
    assert "UMAP was fitted to 500 of the cells, a random sample" in drawing.caption
    assert f"each of the other {n - 500} was placed" in drawing.caption


def test_a_table_of_an_older_run_is_shown_too(whole):
    blocks = mixing_blocks(whole.open())
    assert rows_of(tables(blocks)[0])[0]["change"] == "better"
    assert "UMAP was fitted" not in embedding(whole.open()).blocks[0].caption


def test_what_is_no_metric_of_mixing_has_no_meaning_as_one():
    assert meaning_of("n_cells") is None
    assert meaning_of("lisi_chemistry").asked.startswith("chemistries met")
