"""Gene sets of the user's own, from GMT and tables, and what is said of files that cannot be used."""

import pytest

from stietime.cells.marker_sets import match_marker_sets
from stietime.errors import InputError
from stietime.inputs.gene_sets import add_gene_sets
from stietime.resources import read_markers

MARKERS = read_markers()


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_a_gmt_file_is_put_behind_the_sets_of_the_reviews(tmp_path):
    path = written(tmp_path, "own.gmt", "HYPOXIA\thttp://x\tCA9\tVEGFA\tCA9\n\nSECOND\tna\tIL6\n")
    table = add_gene_sets(MARKERS, path)
    assert list(table.columns) == list(MARKERS.columns)
    own = table.iloc[len(MARKERS) :]
    assert own[["set_id", "gene"]].to_numpy().tolist() == [
        ["HYPOXIA", "CA9"],
        ["HYPOXIA", "VEGFA"],
        ["SECOND", "IL6"],
    ]
    assert set(own["level"]) == {"user"}
    sets = match_marker_sets(table, ["CA9", "VEGFA", "IL6"], ["HYPOXIA", "SECOND"])
    assert sets.genes_of("HYPOXIA") == ["CA9", "VEGFA"]


def test_a_table_may_give_direction_weight_and_parent(tmp_path):
    text = (
        "set_id\tgene\tdirection\tweight\tparent\nmine\tGZMK\t\t2\tcd8_t\nmine\tHAVCR2\tnegative\t\tcd8_t\n"
    )
    own = add_gene_sets(MARKERS, written(tmp_path, "own.tsv", text)).iloc[len(MARKERS) :]
    assert own["direction"].tolist() == ["positive", "negative"]
    assert own["weight"].tolist() == [2.0, 1.0]
    assert own["label"].tolist() == ["mine", "mine"]
    assert set(own["parent"]) == {"cd8_t"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.gmt", "ONE\tdescription\nTWO\n\td\tA\n", ["row 1", "row 2", "row 3"]),
        ("a.gmt", "", ["holds no gene set"]),
        ("a.tsv", "set\tgene\n", ["lacks the columns set_id"]),
        ("a.tsv", "set_id\tgene\tweight\nx\tA\t-1\nx\t\tone\n", ["'-1'", "'one'", "row 3, column gene"]),
        ("a.tsv", "set_id\tgene\tdirection\nx\tA\tup\n", ["'up' is no direction", "row 2"]),
        ("a.tsv", "set_id\tgene\tdirection\nx\tA\t\nx\tA\tnegative\n", ["positive and as negative"]),
        ("a.tsv", "set_id\tgene\tparent\ntreg\tA\t\nx\tA\tnobody\n", ["treg is a set", "nobody is no set"]),
        ("a.csv", "set_id,gene\n", ["ends in .csv"]),
    ],
)
def test_files_that_cannot_be_used_are_told_with_row_and_remedy(tmp_path, name, text, told):
    path = written(tmp_path, name, text)
    with pytest.raises(InputError) as error:
        add_gene_sets(MARKERS, path)
    for part in [*told, str(path)]:
        assert part in str(error.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="do not exist"):
        add_gene_sets(MARKERS, tmp_path / "none.gmt")
