"""The section on clones of the cohort's report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.cohort.clonotypes.contrasts import clone_contrasts
from stietime.cohort.clonotypes.kinds import FOLLOWED
from stietime.cohort.clonotypes.table import clonotype_table
from stietime.report.results import Results
from stietime.report.sections.clones import clones
from stietime.settings import Settings
from stietime.storage import write_table


def draw(n_patients, *, with_blood=True, after=True, seed=1):
    """Draw patients with blood and tumour; the tumour after treatment has new clones, some of the blood."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_patients):
        plan = {("TIME", "before"): "old"}
        plan |= {("STIE", "before"): "blood"} if with_blood else {}
        plan |= {("TIME", "after"): "new"} if after else {}
        for (place, time), own in plan.items():
            names = [f"{own}{i}" for i in rng.integers(0, 10, 25)] + [
                f"old{i}" for i in rng.integers(0, 10, 10)
            ]
            names += [f"blood{i}" for i in rng.integers(0, 10, 5 * (place == "STIE" or own == "new"))]
            rows += [(f"p{number}", place, time, str(rng.choice(["cd8_t", "texp"])), name) for name in names]
    columns = ["patient", "environment", "timepoint", "kind", "clone"]
    return pd.DataFrame(rows, columns=columns).assign(status=FOLLOWED)


@pytest.fixture
def open_clones(tmp_path):
    """Give a function that writes the tables of some cells and opens the results."""

    def open_them(cells, min_cells=10):
        sampled = cells[["patient", "environment", "timepoint"]].drop_duplicates()
        table = clonotype_table(cells, sampled, min_cells=min_cells)
        write_table(table, tmp_path / "cohort" / "clonotypes.tsv")
        write_table(clone_contrasts(table, min_pairs=3), tmp_path / "cohort" / "clone_contrasts.tsv")
        sheet = sampled.assign(sample=[f"s{i}" for i in range(len(sampled))], modality="cells")
        counts = sheet[["sample", "patient"]].assign(n_cells=50, n_receptors=45, n_followed=40)
        counts = counts.assign(n_in_clones_of_several=30, not_followed="5 beta chain only")
        write_table(counts, tmp_path / "cohort" / "receptor_counts.tsv")
        return Results(tmp_path, tmp_path / "reports" / "index.html", Settings(), sheet)

    return open_them


def parts(made, kind):
    return [block for block in made.blocks if block.kind == kind]


def test_three_pictures_with_their_n(open_clones):
    made = clones(open_clones(draw(4)))
    assert not made.failed
    indices, sharing, origins = parts(made, "picture")
    assert "one point per patient, n = 4" in indices.alt
    assert "4 patients, found and by chance" in sharing.alt
    assert "n = 4 patients" in origins.caption
    tests, counts = parts(made, "table")
    assert "tested" in tests.caption
    assert len(counts.rows) == 12
    tiles = parts(made, "tiles")[0].items
    assert tiles[0] == ("480", "cells followed by their clone", "of 600 kept cells")
    assert tiles[2][:2] == ("4", "patients with a value")


def test_what_cannot_be_told_is_said(open_clones):
    made = clones(open_clones(draw(3, with_blood=False, after=False)))
    assert not made.failed
    assert len(parts(made, "picture")) == 1
    box = parts(made, "box")[0]
    assert (box.title, box.lines) == (
        "Not testable",
        ("No patient has both samples at the same time point.",),
    )


def test_too_few_cells_give_reasons_and_no_picture(open_clones):
    made = clones(open_clones(draw(3), min_cells=500))
    assert not made.failed
    assert not parts(made, "picture")
    told = " ".join(line for box in parts(made, "box") for line in box.lines)
    assert "500 needed" in told


def test_a_cohort_without_receptors_has_no_such_section(tmp_path):
    sheet = pd.DataFrame({"sample": ["s"], "patient": ["p"], "modality": ["cells"], "receptors": [""]})
    page = tmp_path / "reports" / "index.html"
    assert not clones(Results(tmp_path, page, Settings(), sheet)).blocks
    made = clones(Results(tmp_path, page, Settings(), sheet.assign(receptors="contigs.csv")))
    assert made.failed  # a table that should be there is missing
    assert "compare_clones.log" in made.blocks[0].lines[-1]
