"""The section on regulators: drawn by the cells that make them, with what is not testable."""

from __future__ import annotations

from tests.report.fabricated_expression import expression_tables

from stietime.report.blocks import Box, Heading, Picture, Table, Tiles
from stietime.report.sections.expression import regulators
from stietime.storage import write_table


def blocks_of(section, kind):
    return [block for block in section.blocks if isinstance(block, kind)]


def test_regulators_are_drawn_and_listed(fabricated):
    section = regulators(fabricated.open())
    assert not section.failed
    # the stratum repeats its contrast: it stands in the table only
    assert len(blocks_of(section, Heading)) == 2
    pictures = blocks_of(section, Picture)
    assert len(pictures) == 2
    assert "1 of 2 tests have q of 0.05 or less" in pictures[0].alt
    # TGFB1 of monocytes; artemin is named by the reviews, and made by nobody
    assert "1 crosses are not testable" in pictures[0].caption
    assert "n = 3 pairs" in pictures[0].caption
    assert "7 genes that not all samples measure" in pictures[0].caption
    (tiles,) = blocks_of(section, Tiles)
    assert [item[0] for item in tiles.items] == ["6 of 9", "3", "1"]
    makers, tests = blocks_of(section, Table)
    assert len(makers.rows) == 3 * 5
    assert makers.searchable
    assert len(tests.rows) == 9


def test_a_contrast_without_a_test_says_why(fabricated):
    tables = expression_tables()
    rows = tables["regulators"]
    one = rows["contrast"] == "stie_vs_time"
    rows.loc[one, ["p", "q"]] = float("nan")
    rows.loc[one, "note"] = "not measured: 0 pairs with 10 cells"
    rows.loc[~one, "confounded"] = (
        "confounded with batch: b1 in the first arm, b2 in the second, none in both"
    )
    write_table(rows, fabricated.path("regulators"))
    section = regulators(fabricated.open())
    told = [line for box in blocks_of(section, Box) for line in (box.title, *box.lines)]
    assert "not measured: 0 pairs with 10 cells" in told
    assert "Nothing can be concluded from this contrast" in told
    assert len(blocks_of(section, Picture)) == 1


def test_a_cohort_without_contrasts(fabricated):
    for name, table in expression_tables().items():
        write_table(table.iloc[:0], fabricated.path(name))
    section = regulators(fabricated.open())
    assert not section.failed
    (box,) = blocks_of(section, Box)
    assert box.title == "No contrast can be made"
