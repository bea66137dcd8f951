"""Niches planted in drawn tissues are found again in all sections, and none where none is planted."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.drawn_tissue import read_drawing
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score

from stietime.errors import InputError
from stietime.tissue.structures import niches, windows

MIXTURES = {
    "T": {"epithelial": 0.9, "cd8_t": 0.05, "macrophage": 0.05},
    "S": {"fibroblast": 0.7, "endothelial": 0.15, "macrophage": 0.15},
    "L": {"b_cell": 0.6, "cd4_t": 0.3, "dc": 0.1},
    "I": {"cd8_t": 0.4, "macrophage": 0.4, "epithelial": 0.2},
}
ONE = "\n".join(["TTTTTTSSSSSS"] * 6 + ["LLLLLLIIIIII"] * 6)
OTHER = "\n".join(["TTTTSSSSTTTT"] * 4 + ["SSSSLLLLSSSS"] * 4 + ["IIIIIIIITTTT"] * 4)
EVEN = {"epithelial": 0.4, "cd8_t": 0.3, "b_cell": 0.2, "macrophage": 0.1}


def windows_of(drawn, types):
    codes = np.searchsorted(types, drawn.cell_types.to_numpy(dtype=str))
    return windows.windows(drawn.positions, codes, len(types))


def niches_of(drawings, mixtures=MIXTURES, *, seed=1):
    drawn = [read_drawing(text, mixtures, seed=seed + i) for i, text in enumerate(drawings)]
    types = np.array(sorted({name for one in drawn for name in one.cell_types}))
    around = [windows_of(one, types) for one in drawn]
    draw = niches.draw_windows(around, len(around), seed=1)
    found = niches.find_niches(draw, most=12, min_jaccard=0.5, seed=1)
    given = [niches.assign(one.whole, found.centres) for one in around]
    return drawn, types, found, given


@pytest.mark.parametrize("seed", [1, 11, 21])
def test_planted_niches_are_found_in_both_sections(seed):
    drawn, types, found, given = niches_of([ONE, OTHER], seed=seed)
    assert len(found.centres) == 4
    truth = np.concatenate([one.letters for one in drawn])
    assert adjusted_rand_score(truth, np.concatenate(given)) >= 0.9
    for one, niche in zip(drawn, given, strict=True):
        assert adjusted_rand_score(one.letters, niche) >= 0.9
    rich = niches.rich_in(found.centres, found.centres.mean(axis=0), list(types))
    lymphoid = given[0][drawn[0].letters == "L"]
    assert rich[np.bincount(lymphoid).argmax()][:2] == ["b_cell", "cd4_t"]
    assert found.numbers.loc[found.numbers["chosen"], "n_niches"].tolist() == [4]


@pytest.mark.parametrize("seed", range(1, 5))
def test_where_none_is_planted_none_is_reported(seed):
    _, _, found, given = niches_of([ONE, OTHER], dict.fromkeys("TSLI", EVEN), seed=seed)
    assert found.centres.shape == (0, 4)
    assert (given[0] == -1).all()
    chosen = found.numbers[found.numbers["chosen"]]
    assert chosen["n_niches"].tolist() == [1]
    assert "no niches" in chosen["note"].item()


def test_two_types_mixed_evenly_are_no_niches_though_their_noise_has_one_axis():
    _, _, found, _ = niches_of([ONE], {letter: {"a": 0.5, "b": 0.5} for letter in "TSLI"})
    assert len(found.centres) == 0


def test_windows_are_the_shares_of_a_plain_search():
    drawn = read_drawing(ONE, MIXTURES, seed=2)
    types = np.array(sorted(set(drawn.cell_types)))
    found = windows_of(drawn, types)
    for cell in (0, 500, 2000):
        order = np.argsort(np.linalg.norm(drawn.positions - drawn.positions[cell], axis=1))[:20]
        plain = [(drawn.cell_types.iloc[order] == name).mean() for name in types]
        assert found.whole[cell] == pytest.approx(plain, abs=1e-6)
    assert (found.halves[0] + found.halves[1]) / 2 == pytest.approx(found.whole, abs=1e-6)


def test_unknown_cells_have_a_window_and_are_in_none():
    drawn = read_drawing("TT\nTT", MIXTURES, seed=2)
    codes = np.zeros(len(drawn.cell_types), dtype=int)
    codes[:50] = -1
    found = windows.windows(drawn.positions, codes, 1)
    assert found.has_window.all()
    assert (found.whole == 1).all()


def test_a_cell_far_from_all_others_has_no_window():
    points = np.concatenate([np.random.default_rng(1).random((60, 2)) * 50, [[900.0, 900.0]]])
    found = windows.windows(points, np.zeros(61, dtype=int), 1)
    assert found.has_window.sum() == 60
    assert niches.assign(found.whole, np.ones((1, 1)))[-1] == -1
    assert cKDTree(points).query(points[-1], k=2)[0][1] > 100


def test_fewer_cells_than_a_window_have_none():
    found = windows.windows(np.random.default_rng(1).random((7, 2)), np.zeros(7, dtype=int), 2)
    assert not found.has_window.any()
    draw = niches.draw_windows([found], 1, seed=1)
    assert len(niches.find_niches(draw, most=5, min_jaccard=0.5, seed=1).centres) == 0


def test_large_sections_do_not_decide_alone():
    large = windows.Windows(np.zeros((50_000, 2), dtype=np.float32), (np.zeros((50_000, 2)),) * 2)
    small = windows.Windows(np.ones((10, 2), dtype=np.float32), (np.ones((10, 2)),) * 2)
    draw = niches.draw_windows([large, small], 2, seed=1)
    assert len(draw.whole) == 20_010


def test_assignment_is_to_the_nearest_centre_beyond_one_block():
    rng = np.random.default_rng(3)
    shares, centres = rng.random((100_005, 3)), rng.random((4, 3))
    plain = np.linalg.norm(shares[-10:, None] - centres[None], axis=2).argmin(axis=1)
    assert niches.assign(shares, centres)[-10:].tolist() == plain.tolist()


def test_jaccard_is_that_of_sets():
    first, second = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    assert niches.jaccard_of(first, second, 3).tolist() == pytest.approx([2 / 3, 2 / 3, 0])


def test_positions_without_a_number_are_bad_input():
    with pytest.raises(InputError, match="no position"):
        windows.windows(np.array([[0.0, np.inf]]), np.array([0]), 1)
