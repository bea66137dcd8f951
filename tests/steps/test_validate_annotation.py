"""The step validate-annotation, called as on the command line."""

import numpy as np
import pandas as pd
import pytest

from stietime import cli, storage

KINDS = ["cd4_t"] * 20 + ["nk"] * 20 + ["b_cell"] * 10


@pytest.fixture
def folder(tmp_path):
    """Types of fifty cells, five of them wrong, and their labels."""
    cells = pd.Index([f"s:{place}" for place in range(50)], dtype=object)
    found = np.array(KINDS, dtype=object)
    found[:5] = "nk"
    lineage = np.where(found == "cd4_t", "t_cell", found)
    types = storage.cell_table(
        cells, lineage=lineage, lineage_confidence=0.9, cell_type=found, cell_type_confidence=0.9
    )
    storage.write_table(types, tmp_path / "types.parquet")
    labels = pd.DataFrame({"cell": cells[::-1], "label": KINDS[::-1]})
    storage.write_table(labels, tmp_path / "labels.tsv")
    return tmp_path


def run(folder, *words):
    outputs = [str(folder / f"{name}.tsv") for name in ("confusion", "scores", "calibration")]
    types = ("--cell-types", str(folder / "types.parquet"))
    return cli.main(["step", "validate-annotation", *types, *map(str, words), "--output", *outputs])


def test_labels_of_a_table(folder):
    assert run(folder, "--labels", folder / "labels.tsv") == 0
    scores = storage.read_table(folder / "scores.tsv").set_index(["level", "label"])
    assert scores.loc[("cell_type", "all"), "accuracy"] == 0.9
    assert scores.loc[("lineage", "t_cell"), "recall"] == 0.75
    assert storage.read_table(folder / "calibration.tsv")["n"].sum() == 100
    confusion = storage.read_table(folder / "confusion.tsv")
    wrong = confusion.query("level == 'cell_type' and given == 'cd4_t' and found == 'nk'")
    assert wrong["n"].tolist() == [5]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (None, "there are no labels"),
        ({"cell": ["s:1", "s:2"], "label": ["cd4_t", "Tcell"]}, "the label 'Tcell' (1 cells) is not known"),
        ({"cell": ["s:1", "s:1"], "label": ["nk", "nk"]}, "the cell s:1 stands twice"),
        ({"cell": ["x:1"], "label": ["nk"]}, "none of the 50 cells has one of the 1 labels"),
        ({"cell": ["s:1"], "type": ["nk"]}, "label"),
    ],
)
def test_labels_that_cannot_be_used_end_with_2(folder, capsys, labels, told):
    words = ()
    if labels is not None:
        storage.write_table(pd.DataFrame(labels), folder / "bad.tsv")
        words = ("--labels", folder / "bad.tsv")
    assert run(folder, *words) == 2
    message = capsys.readouterr().err
    assert told in message
    assert "fix:" in message
    assert not (folder / "scores.tsv").exists()
