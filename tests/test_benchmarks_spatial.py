"""The benchmark of sections: simulated tissue, and what is compared with the peers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from benchmarks import parts, spatial, spatial_interactions, spatial_pairs
from benchmarks.record import RESULTS


def test_tissue_has_the_density_of_real_fields_and_places_that_single_precision_holds():
    positions, types = spatial_pairs.tissue(4000, 6, 1)
    area_mm2 = np.ptp(positions, axis=0).prod() / 1e6
    assert 4000 / area_mm2 == pytest.approx(spatial_pairs.DENSITY, rel=0.05)
    assert np.array_equal(positions, positions.astype(np.float32))
    assert types.nunique() == 6
    assert types.equals(spatial_pairs.tissue(4000, 6, 1)[1])


def test_every_part_gives_figures_and_the_page_shows_them():
    assert all(callable(part) for part in spatial.PARTS.values())
    page = (parts.PAGES / "spatial.md").read_text(encoding="utf-8")
    assert spatial.document(page, RESULTS) == page
    cases = pd.read_csv(RESULTS / "spatial.tsv", sep="\t")["case"]
    # one case of each part
    for case in ("24 sections", "1,000,000 cells", "drawn: a capsule", "her2st", "the types share patches"):
        assert cases.str.startswith(case).any(), case


def test_quick_figures_of_agreement_meet_their_targets():
    found = [spatial_pairs._same_ratio(600), spatial_pairs._same_k(3000)]
    assert all(figure.met for figure in found)


def test_drawn_interactions_are_found_where_they_were_planted():
    planted = spatial_interactions.find(spatial_interactions.draw("planted", 4_000, 1))
    by_chance = spatial_interactions.find(spatial_interactions.draw("none", 4_000, 1))
    rows = [spatial_interactions.row_of(table) for table in (planted, by_chance)]
    assert rows[0]["q"] < 1e-3 < rows[1]["q"]
    # the types share patches in both
    assert min(row["n_pairs"] for row in rows) > 10_000
    slow = spatial_interactions._null("depth", "case", 12)
    assert [figure.n for figure in slow] == [12] * 4
