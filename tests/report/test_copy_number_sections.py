"""The sections on copy numbers, of the cohort and of a sample."""

import pandas as pd
from tests.report.conftest import Fabricated

from stietime.report.blocks import Box, Picture, Table
from stietime.report.sections.copy_number import copy_number, copy_number_of_sample
from stietime.storage import write_table


def kinds(section, kind):
    return [block for block in section.blocks if isinstance(block, kind)]


def test_the_cohort_shows_profiles_shares_and_limits(fabricated: Fabricated):
    section = copy_number(fabricated.open())
    assert not section.failed
    samples = pd.read_csv(fabricated.path("copy_number_samples"), sep="\t")
    (drawn,) = kinds(section, Picture)
    total = int(samples["n_called"].sum())
    assert f"{total} of " in drawn.caption
    assert [box.title for box in kinds(section, Box)] == ["What this cannot tell"]
    table, arms = kinds(section, Table)
    with_cells = samples[samples["n_epithelial"] > 0]
    assert len(table.rows) == len(with_cells) < len(samples)
    assert "6 others do not have" in table.caption
    assert len(arms.rows) == len(with_cells)  # an arm without a state is not listed
    assert all("7p" in {cell.text for cell in row} for row in arms.rows)


def test_a_cohort_without_testable_samples_says_so(fabricated: Fabricated):
    path = fabricated.path("copy_number_samples")
    samples = pd.read_csv(path, sep="\t")
    tested = ["n_called", "share_called", "p_order", "signal_threshold", "correlation_threshold", "n_genes"]
    samples[tested] = float("nan")
    samples["n_epithelial"] = 3
    samples["note"] = "not testable: 3 epithelial cells"
    write_table(samples, path)
    for output in ("copy_number_arms", "copy_number_profile"):
        table = pd.read_csv(fabricated.path(output), sep="\t")
        write_table(table.iloc[:0], fabricated.path(output))
    section = copy_number(fabricated.open())
    assert not section.failed
    (box,) = kinds(section, Box)
    assert box.title == "Not testable"
    assert "10 epithelial cells; the most that one has are 3" in box.lines[0]
    assert not kinds(section, Picture)


def test_a_sample_shows_its_cells_or_the_reason(fabricated: Fabricated):
    section = copy_number_of_sample(fabricated.open("p1_tumour_before"))
    assert not section.failed
    (drawn,) = kinds(section, Picture)
    row = pd.read_csv(fabricated.path("copy_number_samples"), sep="\t").set_index("sample")
    called, n = row.loc["p1_tumour_before", ["n_called", "n_epithelial"]].astype(int)
    assert f"is called: {called} of {n}." in drawn.caption
    untested = copy_number_of_sample(fabricated.open("p1_blood_before"))
    (box,) = untested.blocks
    assert (box.title, box.lines) == ("Not testable", ("0 epithelial cells",))
    gone = copy_number_of_sample(fabricated.open("nobody"))
    assert gone.blocks[0].lines == ("No cell of this sample was kept.",)
