"""Tables of cells: positions in micrometres, subsets, and the authors' cell types."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from stietime.errors import InputError
from stietime.inputs.cell_types import given_cell_types
from stietime.inputs.positions import positions_um
from stietime.inputs.read import ReadingOptions, open_input, prepare, read_prepared, source_columns
from stietime.inputs.subset import rows_of_subset

TABLE = pd.DataFrame(
    {
        "patient": [1, 1, 2, 2, 10],
        "row": [0.0, 10.0, 20.0, 30.0, 40.0],
        "column": [5.0, 15.0, 25.0, 35.0, 45.0],
        "type": ["Tumor", "CD8_T", "Tumor", None, "B"],
        "score": [1.0, 2.0, np.nan, 1.5, 0.1],
    }
)
NAMES = {"Tumor": "epithelial", "CD8_T": "cd8_t", "B": "b_cell"}


def read(path, **options):
    chosen = {"with_positions": True, "x_column": "column", "y_column": "row"} | options
    return read_prepared(prepare(open_input(path, "cell_table"), ReadingOptions(**chosen)))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.tsv.gz", "t.txt"])
def test_positions_become_micrometres_and_there_are_no_genes(tmp_path, name):
    TABLE.to_csv(tmp_path / name, sep="," if ".csv" in name else "\t", index=False)
    cells = read(tmp_path / name, um_per_unit=0.5, subset="patient=1")
    np.testing.assert_allclose(cells.obsm["spatial"], [[2.5, 0.0], [7.5, 5.0]])
    assert cells.shape == (2, 0)
    assert list(cells.obs_names) == ["1", "2"]
    assert list(cells.obs["source_type"]) == ["Tumor", "CD8_T"]
    assert cells.uns["ingest"]["cell_names_from"] == "row number"


def test_cells_are_named_by_a_column_only_when_it_is_unique(tmp_path):
    TABLE.assign(cell_id=list("abcde")).to_csv(tmp_path / "t.csv", index=False)
    assert list(read(tmp_path / "t.csv").obs_names) == list("abcde")
    TABLE.assign(cell_id=list("abcda")).to_csv(tmp_path / "t.csv", index=False)
    assert list(read(tmp_path / "t.csv", subset="patient=2").obs_names) == ["3", "4"]
    TABLE.set_axis(list("vwxyz")).to_csv(tmp_path / "t.csv")
    cells = read(tmp_path / "t.csv")
    assert list(cells.obs_names) == list("vwxyz")
    assert "source_Unnamed: 0" not in cells.obs


@pytest.mark.parametrize(
    ("subset", "rows"),
    [
        ("", 5),
        ("patient=1", 2),
        ("patient=2; type=Tumor", 1),
        ("score=2", 1),
        ("score=1.5", 1),
        ("type=", 1),
        ("score=", 1),
    ],
)
def test_a_subset_matches_text_whole_numbers_and_empty_cells(subset, rows):
    assert len(rows_of_subset(TABLE, subset, "t.csv")) == rows


def test_a_subset_without_rows_names_what_is_there():
    with pytest.raises(InputError, match=r"no row has patient=3.*found 1, 2, 10"):
        rows_of_subset(TABLE, "patient=3", "t.csv")
    # what is there is what the earlier parts leave
    with pytest.raises(InputError, match=r"no row has type=B.*found CD8_T, Tumor"):
        rows_of_subset(TABLE, "patient=1; type=B", "t.csv")
    with pytest.raises(InputError, match="needs the column donor; the file has patient, row"):
        rows_of_subset(TABLE, "donor=1", "t.csv")
    with pytest.raises(InputError, match="cannot be read at 'patient'"):
        rows_of_subset(TABLE, "patient", "t.csv")


def test_missing_positions_are_counted():
    with pytest.raises(InputError, match="no column x and no column y; the file has patient") as caught:
        positions_um(TABLE, None, "t.csv")
    assert "inputs.x_column" in caught.value.fix
    holed = TABLE.assign(row=["1", "2", "near", "", "5"])
    with pytest.raises(InputError, match="2 of 5 cells have no position, such as 2"):
        positions_um(holed, None, "t.csv", x_column="column", y_column="row")


def test_named_columns_go_before_stored_positions():
    stored = np.full((5, 2), 7.0)
    np.testing.assert_array_equal(positions_um(TABLE, stored, "a", um_per_unit=2.0), np.full((5, 2), 14.0))
    found = positions_um(TABLE, stored, "a", x_column="column", y_column="row")
    np.testing.assert_array_equal(found[:, 0], TABLE["column"])


def test_cell_types_are_translated_and_foreign_names_refused():
    known = {"epithelial", "cd8_t", "b_cell"}
    given = given_cell_types(TABLE, "type", NAMES, known, "t.csv")
    assert list(given) == ["epithelial", "cd8_t", "epithelial", "unknown", "b_cell"]
    with pytest.raises(
        InputError, match="2 cell types of the column type are not known here: 'B', 'CD8_T'"
    ) as caught:
        given_cell_types(TABLE, "type", {"Tumor": "epithelial"}, known, "t.csv")
    assert "cell_type_names" in caught.value.fix
    # a translation to a name that is not known is no better
    with pytest.raises(InputError, match="'tumour'"):
        given_cell_types(TABLE, "type", NAMES | {"Tumor": "tumour"}, known, "t.csv")
    with pytest.raises(InputError, match="column phenotype"):
        given_cell_types(TABLE, "phenotype", NAMES, known, "t.csv")


def test_columns_whose_names_meet_are_both_kept():
    obs = pd.DataFrame({"a/b": [1], "a_b": [2]})
    assert source_columns(obs).iloc[0].to_dict() == {"source_a_b": 1, "source_a_b_": 2}


def test_tables_that_are_something_else(tmp_path):
    (tmp_path / "semicolons.csv").write_text("a;b\n1;2\n")
    (tmp_path / "binary.csv").write_bytes(b"\x89HDF\r\n\x1a\n\x00\xff")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n" * 999)[:30])
    (tmp_path / "nothing.tsv").touch()
    (tmp_path / "header.tsv").write_text("x\ty\n")
    words = {
        "semicolons.csv": "single column, 'a;b'",
        "binary.csv": "cannot be read as a table",
        "cut.csv.gz": "cannot be read as a table",
        "nothing.tsv": "cannot be read as a table",
        "header.tsv": "header but no cells",
    }
    for name, word in words.items():
        with pytest.raises(InputError, match=word):
            open_input(tmp_path / name, "cell_table")
