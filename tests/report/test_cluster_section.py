"""The section on clusters of the cohort's report."""

import pandas as pd

from stietime.report.sections.clusters import cluster_warnings, clusters
from stietime.report.sections.overview import summary
from stietime.storage import read_table, write_table


def rows_of(table):
    names = [text for text, _ in table.headers]
    return [dict(zip(names, (cell.text for cell in row), strict=True)) for row in table.rows]


def changed(fabricated, output, **columns):
    path = fabricated.path(output)
    write_table(read_table(path).assign(**columns), path)


def test_the_resolution_in_use_is_told_with_its_reason(whole):
    box, table = clusters(whole.open()).blocks[:2]
    assert box.tone == "note"
    assert box.title == "In use: resolution 1 with 6 clusters"
    assert box.lines == ("Justified: stability 0.93 (lowest 0.90), the most stable of 2 resolutions.",)
    assert [row["resolution"] for row in rows_of(table)] == ["0.5", "1"]
    assert [row[""] for row in rows_of(table)] == ["", "in use"]
    assert "10 random subsamples of 400 cells" in table.caption


def test_a_resolution_that_is_not_justified_stands_out(fabricated):
    changed(fabricated, "cluster_resolutions", note="another is more stable: resolution 0.5 has 0.95")
    box = clusters(fabricated.open()).blocks[0]
    assert box.tone == "caution"
    assert box.lines[0].startswith("Another is more stable")


def test_flagged_clusters_come_first_with_their_type_and_the_markers_patients_agree_on(whole):
    _, _, box, table, _ = clusters(whole.open()).blocks
    assert box.title == "1 of 6 clusters are flagged"
    assert "Cluster 5, " in box.lines[0]
    assert "mostly Epithelial cell (100%): one patient: p1 holds 98% of the cells" in box.lines[0]
    rows = rows_of(table)
    assert [row["cluster"] for row in rows] == ["5", "0", "1", "2", "3", "4"]
    assert rows[0]["flag"] == "one patient, few cells"
    assert table.rows[0][0].tone == "caution"
    assert rows[1]["flag"] == ""
    assert rows[1]["first markers"] == "GENE001, GENE002, GENE003, GENE004, GENE005"
    assert rows[0]["first markers"].startswith("GENE500")
    assert "at least 90 % of its cells" in table.caption


def test_no_flag_is_told_as_such(fabricated):
    changed(fabricated, "cluster_quality", flag="")
    box = clusters(fabricated.open()).blocks[2]
    assert (box.tone, box.title) == ("usable", "No cluster is flagged")


def test_the_markers_name_how_many_patients_agree_and_a_draw(whole):
    table = clusters(whole.open()).blocks[-1]
    rows = pd.DataFrame(rows_of(table))
    assert rows.groupby("cluster").size().eq(10).all()
    assert rows.loc[0, ["gene", "patients", "p over patients"]].tolist() == ["GENE000", "1 of 3", "1.000"]
    assert set(rows.loc[rows["cluster"] == "5", "patients"]) == {"\N{EN DASH}"}
    assert "on 500 of 600 cells, drawn evenly)" in table.caption
    assert table.folded == "Show the markers of all 6 clusters"


def test_only_a_large_flagged_cluster_is_told_on_top(fabricated):
    told = cluster_warnings(fabricated.open())
    assert len(told) == 1
    assert told[0].startswith("Flagged is cluster 5 with 1")
    assert told[0] in summary(fabricated.open()).blocks[0].lines
    sizes = [150, 150, 150, 150, 150, 30]
    changed(fabricated, "cluster_quality", n_cells=sizes)
    assert cluster_warnings(fabricated.open()) == []


def test_without_its_tables_the_section_fails_alone_and_the_summary_stands(fabricated):
    fabricated.path("cluster_quality").unlink()
    results = fabricated.open()
    made = clusters(results)
    assert made.failed
    assert "describe_clusters.log" in made.blocks[0].lines[-1]
    assert not summary(results).failed


def test_clusters_are_described_where_no_cell_has_a_type_yet(fabricated):
    fabricated.path("cells").unlink()
    made = clusters(fabricated.open())
    assert not made.failed
    assert "mostly" not in [text for text, _ in made.blocks[3].headers]
