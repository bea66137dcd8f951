from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime.tissue.pairs import co_occurrence, cross_k, nearest
from stietime.tissue.pairs.cross_k import Window

DISTANCES = np.linspace(10, 100, 10)


def section(seed: int, n: int = 1500) -> tuple[np.ndarray, pd.Series]:
    """A field of 600 x 400 um, so that 50 um squares fill it."""
    rng = np.random.default_rng(seed)
    positions = rng.random((n, 2)) * [600, 400]
    positions[:2] = [[0, 0], [600 - 1e-6, 400 - 1e-6]]
    return positions, pd.Series(rng.choice(["a", "b", "c"], n, p=[0.6, 0.38, 0.02]))


def k_of(positions: np.ndarray, types: pd.Series, fields: np.ndarray | None = None) -> pd.DataFrame:
    fine = cross_k.fine_distances(DISTANCES)
    names, counts = co_occurrence.count_pairs_of_types(positions, types, fine, fields=fields)
    n_cells = types.value_counts().reindex(names).to_numpy()
    return cross_k.cross_k_table(names, n_cells, counts, DISTANCES, Window.of(positions, fields))


def apart(positions: np.ndarray) -> np.ndarray:
    found = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(found, np.inf)
    return found


def test_overlap_of_a_rectangle_is_its_closed_form():
    window = Window.of(section(1)[0])
    assert window.area_um2 == pytest.approx(240_000)
    r = np.array([0.0, 25.0, 60.0, 150.0])
    # the set covariance of a rectangle, averaged over directions
    assert window.overlap(r) == pytest.approx(240_000 - 2 * 1000 * r / np.pi + r**2 / np.pi, rel=2e-4)


def test_overlap_of_a_ragged_tissue_is_that_of_its_squares():
    squares = np.array([(0, 0), (1, 0), (2, 0), (2, 1), (0, 3)])
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    window = Window.of(np.concatenate([squares * 50.0 + 50 * np.array(c) * (1 - 1e-9) for c in corners]))
    rng = np.random.default_rng(3)
    # points of the tissue, moved in any direction, that stay in the tissue
    here = squares[rng.integers(0, 5, 400_000)] * 50 + rng.random((400_000, 2)) * 50
    angle = rng.random(400_000) * 2 * np.pi
    moved = here + 70 * np.column_stack([np.cos(angle), np.sin(angle)])
    inside = np.zeros(len(moved), dtype=bool)
    for square in squares:
        inside |= (moved // 50 == square).all(axis=1)
    assert window.overlap(np.array([70.0]))[0] == pytest.approx(inside.mean() * 5 * 2500, rel=0.02)


@pytest.mark.parametrize(("a", "b"), [("a", "a"), ("a", "b"), ("b", "c")])
def test_k_equals_every_pair_weighed_by_itself(a, b):
    positions, types = section(4)
    table = k_of(positions, types).set_index(["type_a", "type_b"]).loc[(a, b)]
    between = apart(positions)[(types == a).to_numpy()][:, (types == b).to_numpy()]
    ways = (types == a).sum() * ((types == b).sum() - (a == b))
    for row in table.itertuples():
        d = between[between <= row.distance_um]
        shared = 240_000 - 2 * 1000 * d / np.pi + d**2 / np.pi
        assert row.k_um2 == pytest.approx(240_000**2 / ways * (1 / shared).sum(), rel=1e-3)
        assert row.l_um == pytest.approx((row.k_um2 / np.pi) ** 0.5)
        assert row.n_pairs == len(d) / (2 if a == b else 1)


def test_k_of_cells_at_random_is_the_area_of_a_disc_also_near_the_edge():
    found = np.mean([k_of(*section(seed))["k_all_um2"].to_numpy()[:10] for seed in range(10, 30)], axis=0)
    assert found == pytest.approx(np.pi * DISTANCES**2, rel=0.02)


def test_z_is_that_of_permuted_labels_at_every_distance():
    positions, types = section(5)
    types[np.hypot(positions[:, 0] - 300, positions[:, 1] - 200) < 60] = "b"
    table = k_of(positions, types).set_index(["type_a", "type_b"])
    within = apart(positions) <= 50
    rng, labels = np.random.default_rng(6), types.to_numpy()
    drawn = np.array(
        [within[(s == "b")][:, (s == "b")].sum() / 2 for s in (rng.permutation(labels) for _ in range(400))]
    )
    row = table.loc[("b", "b")].set_index("distance_um").loc[50.0]
    assert row["expected_pairs"] == pytest.approx(drawn.mean(), abs=4 * drawn.std() / 20)
    assert row["z"] == pytest.approx((row["n_pairs"] - drawn.mean()) / drawn.std(), rel=0.2)
    low, high = np.log2(np.quantile(drawn, [0.025, 0.975]) / row["expected_pairs"])
    assert (row["log2_null_low"], row["log2_null_high"]) == pytest.approx((low, high), rel=0.25)
    assert row["log2_ratio"] > row["log2_null_high"]


def test_fields_are_not_counted_across():
    positions, types = section(7)
    fields = (positions[:, 0] > 300).astype(np.int64)
    both = k_of(positions, types, fields).set_index(["type_a", "type_b", "distance_um"])
    parts = [k_of(positions[fields == f], types[fields == f].reset_index(drop=True)) for f in (0, 1)]
    parts = [part.set_index(["type_a", "type_b", "distance_um"]) for part in parts]
    assert np.array_equal(both["n_pairs"], parts[0]["n_pairs"] + parts[1]["n_pairs"])
    assert both["k_all_um2"].iloc[-1] == pytest.approx(np.pi * 100**2, rel=0.1)


def test_a_type_of_one_cell_has_no_k_within_itself():
    positions, types = section(8, 400)
    types[types == "c"] = "a"
    types.iloc[7] = "c"
    table = k_of(positions, types).set_index(["type_a", "type_b"])
    assert table.loc[("c", "c"), ["k_um2", "z", "p", "log2_ratio"]].isna().all(axis=None)
    assert table.loc[("a", "c"), "k_um2"].notna().all()


def test_nearest_distances_equal_all_distances_compared():
    positions, types = section(9, 500)
    table = nearest.nearest_table(positions, types, 30.0).set_index(["type", "nearest_type"])
    between = apart(positions)
    for a, b in (("a", "b"), ("b", "a"), ("a", "a"), ("c", "b")):
        shortest = between[(types == a).to_numpy()][:, (types == b).to_numpy()].min(axis=1)
        row = table.loc[(a, b)]
        assert row["median_um"] == pytest.approx(np.median(shortest), rel=1e-6)
        assert row["share_within"] == pytest.approx((shortest <= 30).mean())
        if a != b and row["n_cells"] >= 5:
            others = between[((types != a) & (types != b)).to_numpy()][:, (types == b).to_numpy()].min(axis=1)
            u = stats.mannwhitneyu(shortest, others, use_continuity=False, method="asymptotic")
            assert row["p"] == pytest.approx(u.pvalue, rel=1e-6)
            assert row["closer"] == pytest.approx(1 - u.statistic / (len(shortest) * len(others)))


def test_nearest_distances_of_permuted_labels_give_uniform_p_also_for_few_cells():
    rng, p = np.random.default_rng(10), {5: [], 20: []}
    positions, _ = section(11, 600)
    types = np.repeat(["many", "b", "five", "twenty"], [475, 100, 5, 20])
    for _ in range(200):
        table = nearest.nearest_table(positions, pd.Series(rng.permutation(types)), 30.0)
        table = table.set_index(["type", "nearest_type"])["p"]
        p[5].append(table["five", "b"])
        p[20].append(table["twenty", "b"])
    assert all(stats.kstest(found, "uniform").pvalue > 0.005 for found in p.values())


def test_planted_closeness_is_found_and_fields_without_the_type_are_told():
    positions, types = section(12, 800)
    by_edge = positions[:, 0] < 100
    types[by_edge & (types == "a")] = "edge"
    types[(positions[:, 0] > 500)] = "far"
    table = nearest.nearest_table(positions, types, 30.0).set_index(["type", "nearest_type"])
    assert table.loc[("far", "edge"), "closer"] < 0.05
    assert table.loc[("far", "edge"), "z"] < -10
    assert table.loc[("edge", "edge"), "note"] == "not tested: the same type"
    fields = (positions[:, 0] > 500).astype(np.int64)
    alone = nearest.nearest_table(positions, types, 30.0, fields=fields).set_index(["type", "nearest_type"])
    assert alone.loc[("far", "edge"), "n_reached"] == 0
    assert np.isnan(alone.loc[("far", "edge"), "median_um"])
