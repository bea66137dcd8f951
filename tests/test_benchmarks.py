"""The benchmarks: how figures are written down, and that the documents show what was last measured."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest
from benchmarks import quality, scale, states
from benchmarks.pages import as_markdown, between_marks
from benchmarks.parts import PAGES
from benchmarks.record import COLUMNS, RESULTS, Figure, figure_table, write_figures

FIGURES = [
    Figure("one", "AUROC", 0.9, 0.6, "peer 1.0", ">= 0.8", met=True, n=10, seed=1),
    Figure("two", "seconds", 3.0, target="<= 2", met=False),
    Figure("three", "share", 0.5, 0.0),
]


def test_figures_are_written_with_ratio_target_and_machine(tmp_path):
    path = write_figures("some", FIGURES, ("numpy",), tmp_path / "results")
    table = pd.read_csv(path, sep="\t", dtype={"met": str}, keep_default_na=False)
    assert list(table.columns) == list(COLUMNS)
    assert table["met"].tolist() == ["true", "false", ""]
    assert float(table["ratio"][0]) == pytest.approx(1.5)
    assert table["ratio"].tolist()[1:] == ["", ""]
    facts = json.loads(path.with_suffix(".json").read_text())
    assert facts["n_cores"] >= 1
    assert facts["versions"]["numpy"]
    assert {"date", "commit", "processor", "memory_gib"} <= set(facts)


def test_a_figure_without_a_peer_has_no_ratio():
    assert math.isnan(figure_table(FIGURES)["ratio"][1])


def test_tables_stand_between_their_marks():
    text = "before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter"
    renewed = between_marks(text, "figures", as_markdown(pd.DataFrame({"a": [0.12345, math.nan]})))
    assert "old" not in renewed
    assert "| a |\n| --- |\n| 0.123 |\n|  |" in renewed
    assert renewed.startswith("before")
    assert renewed.endswith("after")
    with pytest.raises(ValueError, match="losses"):
        between_marks(text, "losses", "")


def test_every_measured_figure_with_a_target_says_whether_it_is_met():
    for path in RESULTS.glob("*.tsv"):
        table = pd.read_csv(path, sep="\t", keep_default_na=False, dtype=str)
        if "target" not in table:
            continue
        assert list(table.columns) == list(COLUMNS)
        assert table.loc[table["target"] != "", "met"].isin(["true", "false"]).all()


@pytest.mark.parametrize(("name", "benchmark"), [("quality", quality), ("scale", scale), ("states", states)])
def test_the_pages_show_what_was_last_measured(name, benchmark):
    pages = benchmark.BENCHMARK.documents if hasattr(benchmark, "BENCHMARK") else {name: benchmark.document}
    for page, renewed in pages.items():
        text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
        assert renewed(text, RESULTS) == text


def test_the_benchmark_of_scale_was_run_in_full():
    table = pd.read_csv(RESULTS / "scale.tsv", sep="\t")
    for n_cells in (*scale.COMPARED, *scale.ALONE):
        of_size = table[table["case"].str.startswith(f"{n_cells:,} cells")]
        assert of_size["ours"].notna().sum() >= 3, n_cells
        assert of_size["peer"].notna().any() == (n_cells in scale.COMPARED)
