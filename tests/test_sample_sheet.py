"""The sample sheet: what is read, and that every bad row is told at once."""

from __future__ import annotations

import pytest

from stietime.errors import CombinedInputError, InputError
from stietime.inputs.read import READERS
from stietime.radiotherapy_fields import unlikely
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


RADIOTHERAPY = (
    *("timepoint", "treatment", "lesion", "rt_field", "rt_modality"),
    *("dose_gy_per_fraction", "fractions", "days_from_rt", "rt_ici_sequence"),
)


def irradiated(name, *given, environment="TIME"):
    return (*good(name, environment=environment), *given)


def test_radiotherapy_is_read_in_standard_words_and_carried_only_where_it_is_given(sheet):
    header = (*HEADER, *RADIOTHERAPY)
    lesion = irradiated(
        "s1", "after", "radiotherapy", "liver_1", "OUT", "sbrt", "8.5", "3", "+21", "RT first"
    )
    blood = irradiated(
        "s2", "before", "radiotherapy", *[""] * 2, "flash", "", "", "-3", "", environment="STIE"
    )
    first, second = read_sample_sheet(sheet(lesion, blood, header=header))
    assert first.radiotherapy() == {
        "lesion": "liver_1",
        "rt_field": "out",
        "rt_modality": "SBRT",
        "dose_gy_per_fraction": "8.5",
        "fractions": "3",
        "days_from_rt": "+21",
        "rt_ici_sequence": "rt_first",
    }
    assert not {"rt_field", "lesion", "fractions"} & set(second.carried())
    assert (second.carried()["rt_modality"], second.carried()["days_from_rt"]) == ("FLASH", "-3")
    assert not set(first.extra)
    assert Sample.from_json(first.as_json()) == first


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("rt_field", "inside", "use one of in, out"),
        ("rt_modality", "proton", "conventional, SBRT, LDRT, SFRT, FLASH, PULSAR"),
        ("rt_ici_sequence", "both", "rt_first, ici_first, concurrent"),
        ("dose_gy_per_fraction", "0", "above 0"),
        ("dose_gy_per_fraction", "8 Gy", "above 0"),
        ("fractions", "2.5", "a whole number"),
        ("fractions", "0", "a whole number"),
        ("days_from_rt", "week 3", "give days"),
    ],
)
def test_what_is_no_field_modality_dose_or_day_is_told(sheet, column, value, told):
    given = dict.fromkeys(RADIOTHERAPY, "") | {column: value}
    [problem] = problems(sheet(irradiated("s1", *given.values()), header=(*HEADER, *RADIOTHERAPY)))
    assert value in problem.what
    assert told in problem.fix
    assert problem.where.endswith(f"row 2, column {column}")


def test_contradictions_about_radiotherapy_come_all_at_once(sheet):
    header = (*HEADER, *RADIOTHERAPY)
    rows = [
        irradiated("s1", "after", "radiotherapy", "lung", "in", "", "", "", "-2", ""),
        irradiated("s2", "before", "SBRT", "Lung", "out", "", "", "", "5", ""),
        irradiated("s3", "before", "", "", "in", "", "", "", "", "", environment="STIE"),
    ]
    found = problems(sheet(*rows, header=header))
    told = sorted((problem.where.partition("row ")[2], problem.what) for problem in found)
    assert told == [
        ("2, column days_from_rt", "days_from_rt is -2, but the time point is 'after'"),
        ("3, column days_from_rt", "days_from_rt is 5, but the time point is 'before'"),
        ("3, column rt_field", "the lesion Lung of patient p1 is out, in an earlier row in"),
        ("4, column rt_field", "rt_field is 'in', but blood lies in no field and in no lesion"),
    ]


def test_a_sample_after_an_inhibitor_may_be_taken_before_radiotherapy(sheet):
    row = irradiated("s1", "after", "immunotherapy", "", "", "", "", "", "-30", "ici_first")
    [sample] = read_sample_sheet(sheet(row, header=(*HEADER, *RADIOTHERAPY)))
    assert sample.days_from_rt == "-30"


def test_a_field_without_radiotherapy_is_told_and_is_no_error(sheet):
    rows = [
        irradiated("s1", "after", "anti-PD-1", "", "out", *[""] * 5),
        irradiated("s2", "after", "SBRT + anti-PD-1", "", "in", *[""] * 5),
        irradiated("s3", "after", "", "", "in", *[""] * 5),
    ]
    samples = read_sample_sheet(sheet(*rows, header=(*HEADER, *RADIOTHERAPY)))
    assert unlikely(samples) == ["rt_field is given, but the treatment is not radiotherapy: s1"]
