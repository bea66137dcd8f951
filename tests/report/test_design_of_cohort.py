"""What a report says of pairs, batches and lost samples."""

from __future__ import annotations

import pandas as pd
import pytest

from stietime.report import design
from stietime.report.results import samples_found


def _rows(*rows: tuple[str, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["patient", "environment", "batch"])
    return frame.assign(timepoint="", modality="cells", sample=[f"s{i}" for i in range(len(rows))])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((("p1", "STIE", "a"), ("p1", "TIME", "b")), ["a", "b"]),
        ((("p1", "STIE", "a"), ("p1", "TIME", "a"), ("p2", "TIME", "b")), ["b"]),
        ((("p1", "STIE", "a"), ("p1", "TIME", "a"), ("p2", "STIE", "b"), ("p2", "TIME", "b")), []),
        ((("p1", "STIE", "a"), ("p1", "TIME", "a")), []),
        ((("p1", "TIME", "a"), ("p2", "TIME", "b")), []),
    ],
)
def test_batches_of_one_environment_are_found(rows, expected):
    assert design.confounded_batches(_rows(*rows), "batch") == expected


def test_confounded_batches_stand_in_the_warnings(whole):
    sheet = whole.sheet.assign(batch=whole.sheet["environment"])
    results = type(whole)(whole.folder, sheet).open()
    told = design.warnings(results, design.count_cells(results))
    assert any("every batch holds one environment only" in line for line in told)
    assert not any(
        "confounded" in line for line in design.warnings(whole.open(), design.count_cells(whole.open()))
    )


def test_pairs_are_counted_at_each_time_point(whole):
    sheet = whole.sheet[~whole.sheet["sample"].isin(["p1_blood_after", "p2_tumour_before"])]
    assert design.count_pairs(type(whole)(whole.folder, sheet).open()) == {"before": 2, "after": 2}
    assert design.count_pairs(whole.open()) == {"before": 3, "after": 3}


def test_a_sample_without_quality_is_a_lost_one(whole):
    extra = whole.sheet.iloc[[0]].assign(sample="p9_blood")
    results = type(whole)(whole.folder, pd.concat([whole.sheet, extra])).open()
    told = design.warnings(results, design.count_cells(results))
    assert any("failed or were not run: p9_blood" in line for line in told)


def test_cells_are_counted_by_reason(whole):
    counts = design.count_cells(whole.open())
    assert list(counts.columns) == ["kept", "empty", "low_genes", "high_mito", "doublet"]
    assert counts.loc["p1_blood_before"].to_list() == [54, 1, 1, 2, 2]


def test_samples_are_found_without_a_sheet(whole):
    found = samples_found(whole.folder).set_index("sample")
    assert set(found.index) == set(whole.sheet["sample"])
    assert found.loc["p1_tumour_after", ["patient", "environment", "timepoint"]].to_list() == [
        "p1",
        "TIME",
        "after",
    ]
    assert found.loc["s1", "modality"] == "section"


def test_an_excluded_sample_is_found_with_its_patient_without_a_sheet(fabricated):
    path = fabricated.path("cells")
    cells = pd.read_parquet(path)
    cells[cells["sample"] != "p1_tumour_after"].to_parquet(path)
    found = samples_found(fabricated.folder).set_index("sample").loc["p1_tumour_after"]
    assert found[["patient", "environment", "timepoint"]].to_list() == ["p1", "TIME", "after"]
