"""The step collect-samples, as typed on the command line."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from stietime import cli, storage

COLUMNS = (
    *("sample", "patient", "environment", "timepoint", "verdict", "reason", "n_measured", "n_kept"),
    *("saturation", "contamination", "sex_expressed", "sex_sheet"),
)


def write_sample(folder, sample, patient, sex, verdict="usable", reason="", **facts):
    row = dict.fromkeys(COLUMNS, "") | {"sample": sample, "patient": patient, "environment": "STIE"}
    row |= {"verdict": verdict, "reason": reason, "n_measured": 200, "n_kept": 180, "saturation": 0.123456789}
    path = folder / sample / "sample_quality.tsv"
    storage.write_table(pd.DataFrame([{**row, "sex_expressed": sex, **facts}]), path)
    return path


def collect(folder, paths, **settings):
    words = ["step", "collect-samples", "--sample-quality", *map(str, paths)]
    words += ["--settings", json.dumps(settings), "--output", str(folder / "samples.tsv")]
    code = cli.main(words)
    return code or pd.read_csv(folder / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)


def test_tables_are_stacked_as_they_were_written(tmp_path):
    paths = [
        write_sample(tmp_path, "002", "01", "female"),
        write_sample(tmp_path, "001", "1", "male", "excluded", "keeps 2 cells"),
    ]
    found = collect(tmp_path, paths)
    assert found.columns.tolist() == [*COLUMNS, "swap"]
    assert found["sample"].tolist() == ["002", "001"]
    assert found["patient"].tolist() == ["01", "1"]  # two patients, not one number
    assert found["verdict"].tolist() == ["usable", "excluded"]
    assert found["reason"].tolist() == ["", "keeps 2 cells"]
    assert set(found["saturation"]) == {"0.123456789"}
    assert set(found["swap"]) == {""}


@pytest.mark.parametrize("on_swap", ["caution", "exclude"])
def test_samples_of_one_patient_that_disagree_are_used_with_caution_at_most(tmp_path, on_swap, caplog):
    paths = [
        write_sample(tmp_path, "a", "p1", "female"),
        write_sample(tmp_path, "b", "p1", "male", "caution", "saturation 0.3"),
        write_sample(tmp_path, "c", "p1", "unclear"),
        write_sample(tmp_path, "d", "p1", "female", "excluded", "keeps 2 cells"),
        write_sample(tmp_path, "e", "p2", "male"),
        write_sample(tmp_path, "f", "p2", "male"),
    ]
    with caplog.at_level("WARNING"):
        found = collect(tmp_path, paths, on_swap=on_swap).set_index("sample")
    words = "samples of patient p1 express different sexes (female in a, d; male in b): swap suspected"
    assert found["swap"].to_dict() == {"a": words, "b": words, "c": "", "d": words, "e": "", "f": ""}
    assert found["verdict"].tolist() == ["caution", "caution", "usable", "excluded", "usable", "usable"]
    assert found.loc["a", "reason"] == words
    assert found.loc["b", "reason"] == f"saturation 0.3; {words}"
    assert ("on_swap is exclude, which acts on the column sex" in caplog.text) == (on_swap == "exclude")
    assert f"d: excluded: keeps 2 cells; {words}" in caplog.text


def test_the_order_of_the_samples_changes_no_verdict(tmp_path):
    sexes = {"a": "female", "b": "male", "c": "male"}
    paths = [write_sample(tmp_path, sample, "p1", sex) for sample, sex in sexes.items()]
    one = collect(tmp_path, paths).set_index("sample")["verdict"]
    other = collect(tmp_path, paths[::-1]).set_index("sample")["verdict"]
    assert one.to_dict() == other.to_dict() == dict.fromkeys("abc", "caution")


def test_a_cohort_of_excluded_samples_is_written_and_said(tmp_path, caplog):
    paths = [write_sample(tmp_path, name, name, "unclear", "excluded", "all gone") for name in "ab"]
    with caplog.at_level("WARNING"):
        assert len(collect(tmp_path, paths)) == 2
    assert "every sample is excluded" in caplog.text


def test_bad_tables_end_with_2(tmp_path, capsys):
    good = write_sample(tmp_path, "a", "p1", "female")
    assert collect(tmp_path, [good, good]) == 2
    assert "the sample a stands twice" in capsys.readouterr().err
    assert collect(tmp_path, [write_sample(tmp_path, "b", "p1", "male", "good")]) == 2
    assert "the sample b has the verdict 'good', not usable, caution, excluded" in capsys.readouterr().err
    assert collect(tmp_path, [tmp_path / "nothing.tsv"]) == 2
    assert "does not exist" in capsys.readouterr().err
    storage.write_table(pd.DataFrame({"sample": ["a"]}), tmp_path / "short.tsv")
    assert collect(tmp_path, [tmp_path / "short.tsv"]) == 2
    assert "lacks the columns verdict, reason, patient, sex_expressed" in capsys.readouterr().err
    assert not (tmp_path / "samples.tsv").exists()
