"""The sample sheet: what is read, and that every bad row is told at once."""

from __future__ import annotations

import pytest

from stietime.errors import CombinedInputError, InputError
from stietime.inputs.read import READERS
from stietime.sample import Sample
from stietime.sample_sheet import COLUMNS, FORMATS, read_sample_sheet

HEADER = ("sample", "patient", "environment", "modality", "format", "path")


@pytest.fixture
def sheet(tmp_path):
    (tmp_path / "a.h5ad").touch()

    def write(*rows, header=HEADER, name="samples.tsv", delimiter="\t"):
        path = tmp_path / name
        lines = [delimiter.join(row).replace("FILE", str(tmp_path / "a.h5ad")) for row in (header, *rows)]
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def good(name="s1", **changes):
    row = dict(zip(HEADER, (name, "p1", "STIE", "cells", "h5ad", "FILE"), strict=True)) | changes
    return tuple(row.values())


def problems(path, **options):
    with pytest.raises(InputError) as caught:
        read_sample_sheet(path, **options)
    return list(getattr(caught.value, "errors", [caught.value]))


def test_formats_of_the_sheet_are_those_with_a_reader():
    assert set(FORMATS) == set(READERS)
    assert set(FORMATS) == set(Sample.model_fields["format"].annotation.__args__)


def test_empty_cells_are_text_and_defaults_fill_batch_and_species(sheet):
    header = (*HEADER, "batch", "species", "response")
    (sample,) = read_sample_sheet(sheet((*good(), "", "", ""), header=header))
    assert (sample.batch, sample.species, sample.response, sample.cancer) == ("batch1", "human", "", "")


def test_further_columns_are_carried_and_where_the_file_is_is_not(sheet):
    header = (*HEADER, "subset", "smoker")
    (sample,) = read_sample_sheet(sheet((*good(), "Tissue=blood", "never"), header=header))
    carried = sample.carried()
    assert carried["smoker"] == "never"
    assert carried["patient"] == "p1"
    assert not {"path", "format", "subset", "modality", "extra"} & set(carried)
    assert list(carried)[:3] == ["sample", "patient", "environment"]


def test_json_comes_back_the_same_on_one_line(sheet):
    header = (*HEADER, "smoker")
    (sample,) = read_sample_sheet(sheet((*good(), 'says "no"; a\\b'), header=header))
    text = sample.as_json()
    assert "\n" not in text
    assert Sample.from_json(text) == sample
    with pytest.raises(InputError, match="environment"):
        Sample.from_json(text.replace("STIE", "BLOOD"))


def test_comma_separated_and_byte_order_mark_and_blank_lines(sheet):
    path = sheet(good("s1"), (), good("s2"), name="samples.csv", delimiter=",")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert [sample.sample for sample in read_sample_sheet(path)] == ["s1", "s2"]


def test_all_bad_rows_are_told_at_once_with_their_lines(sheet):
    path = sheet(
        good("s1"),
        (),  # a blank line still counts
        good("s2", environment="blood"),
        good("s/3", modality="tissue"),
        good("s1"),
        good("s5", format="h5", path=""),
    )
    with pytest.raises(CombinedInputError) as caught:
        read_sample_sheet(path)
    places = [error.where.removeprefix(f"{path}, ") for error in caught.value.errors]
    assert places == [
        "row 4, column environment",
        "row 5, column modality",
        "row 5, column sample",
        "row 6, column sample",
        "row 7, column format",
        "row 7, column path",
    ]
    text = str(caught.value)
    for part in (
        "'blood'",
        "STIE, TIME, normal, lymph_node",
        "already stands in row 2",
        "10x_mtx",
        "path is empty",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "missing.h5ad"}, ["missing.h5ad does not exist", "column path"]),
        ({"path": "$NO_SUCH_VARIABLE/a.h5ad"}, ["variable $NO_SUCH_VARIABLE", "export NO_SUCH_VARIABLE"]),
        ({"path": "${NO_SUCH}/a"}, ["export NO_SUCH="]),
        (
            {"format": "10x_h5", "modality": "section"},
            ["10x_h5 holds cells, not section", "h5ad, cell_table"],
        ),
        ({"format": "cell_table"}, ["cell_table holds section, not cells"]),
        ({"sample": "index"}, ["'index'"]),
        ({"sample": ".."}, ["'..'"]),
        ({"sample": "a b"}, ["'a b'", "letters, digits"]),
        ({"sample": "tumör"}, ["tumör"]),
        ({"patient": ""}, ["patient is empty", "column patient"]),
    ],
)
def test_one_bad_value(sheet, changes, words):
    (error,) = problems(sheet(good(**changes)))
    assert "row 2" in error.where
    for word in words:
        assert word in str(error)


def test_a_name_that_differs_in_capitals_only_is_a_duplicate(sheet):
    (error,) = problems(sheet(good("Blood"), good("blood")))
    assert "already stands in row 2" in error.what


def test_variables_are_expanded_and_paths_may_be_left_unchecked(sheet, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_DATA", str(tmp_path))
    (sample,) = read_sample_sheet(sheet(good(path="$MY_DATA/a.h5ad")))
    assert sample.file == tmp_path / "a.h5ad"
    assert sample.path == "$MY_DATA/a.h5ad"
    (sample,) = read_sample_sheet(sheet(good(path="to/be/made.h5ad")), check_paths=False)
    assert sample.path == "to/be/made.h5ad"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (("sample", "patient", "environment", "format", "path"), ["column modality is missing"]),
        ((*HEADER, "batch", "batch"), ["column batch stands 2 times"]),
        ((*HEADER, "cluster"), ["'cluster' cannot be the name"]),
        ((*HEADER, "is_treg"), ["'is_treg'"]),
        ((*HEADER, "a/b"), ["'a/b'"]),
    ],
)
def test_bad_headers(sheet, header, words):
    errors = problems(sheet(good(), header=header))
    text = "\n".join(map(str, errors))
    assert "row 1" in text
    for word in words:
        assert word in text


def test_every_missing_column_is_named(sheet):
    errors = problems(sheet(("s1", "p1"), header=("sample", "patient")))
    assert [error.what.split()[2] for error in errors] == ["environment", "modality", "format", "path"]


@pytest.mark.parametrize(("delimiter", "word"), [(",", "commas"), (";", "semicolons"), (" ", "spaces")])
def test_wrong_delimiter(sheet, delimiter, word):
    (error,) = problems(sheet(good(), delimiter=delimiter))
    assert f"separated by {word}, where tabs are needed" in error.what


def test_rows_of_another_width(sheet):
    errors = problems(sheet(good()[:-1], good("s2"), (*good("s3"), "more")))
    assert [error.where.rpartition(", ")[2] for error in errors] == ["row 2", "row 4"]
    assert "5 cells, the header has 6" in errors[0].what


def test_empty_missing_and_binary_sheets(sheet, tmp_path):
    assert "no samples" in problems(sheet())[0].what
    empty = tmp_path / "empty.tsv"
    empty.write_text("\n \n")
    assert "is empty" in problems(empty)[0].what
    assert "does not exist" in problems(tmp_path / "none.tsv")[0].what
    empty.write_bytes(b"PK\x03\x04\xff\xfe\x00")
    assert "UTF-8" in problems(empty)[0].what


def test_columns_come_in_the_documented_order():
    assert COLUMNS[:8] == (
        "sample",
        "patient",
        "environment",
        "tissue",
        "modality",
        "format",
        "path",
        "batch",
    )
    assert "extra" not in COLUMNS


def test_an_unfiltered_matrix_is_optional_and_not_carried(sheet, tmp_path):
    header = (*HEADER, "raw_path")
    with_raw, without = read_sample_sheet(sheet((*good(), "FILE"), (*good("s2"), ""), header=header))
    assert with_raw.raw_file == tmp_path / "a.h5ad"
    assert without.raw_file is None
    assert "raw_path" not in with_raw.carried()
    assert Sample.from_json(with_raw.as_json()) == with_raw


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((*good(), "gone.h5"), ["the path gone.h5 does not exist"]),
        ((*good(), "$NO_SUCH_VARIABLE/raw.h5"), ["variable $NO_SUCH_VARIABLE"]),
        ((*good(modality="section"), "FILE"), ["a section has no empty droplets"]),
    ],
)
def test_a_bad_unfiltered_matrix_is_told_with_its_column(sheet, row, words):
    (error,) = problems(sheet(row, header=(*HEADER, "raw_path")))
    assert error.where.endswith("row 2, column raw_path")
    for word in words:
        assert word in str(error)


def test_both_paths_of_a_row_are_told(sheet):
    found = problems(sheet((*good(path="none.h5ad"), "none.h5"), header=(*HEADER, "raw_path")))
    assert [error.where.rpartition(" ")[2] for error in found] == ["path", "raw_path"]
