from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime.tissue.graphs import graph
from stietime.tissue.regions import architecture, compartments, regions

# one letter a cell, 12 um apart: t tumour, i immune, a space or a dot is another cell
SOLID = """
............
.tttttttttt.
.tttttttttt.
.tttttttttt.
iiiiiiiiiiii
iiiiiiiiiiii
............
"""


def drawn(text: str, *, repeat: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, tumour and immune cells of a tissue drawn in letters, repeated to the right and below."""
    rows = [row * repeat for row in text.strip("\n").splitlines()] * repeat
    letters = np.array([list(row) for row in rows])
    y, x = np.indices(letters.shape)
    positions = np.column_stack([x.ravel(), y.ravel()]) * 12.0
    return positions, letters.ravel() == "t", letters.ravel() == "i"


def measured(text: str, *, repeat: int = 1) -> architecture.Measures:
    positions, is_tumour, is_immune = drawn(text, repeat=repeat)
    inside = regions.find_tumour_regions(graph.radius_graph(positions, 40.0), is_tumour)
    contacts = graph.radius_graph(positions, 12.0)
    return architecture.measure(positions, contacts, is_tumour=is_tumour, is_immune=is_immune, inside=inside)


def classes(found: architecture.Measures) -> tuple[str, str]:
    keren = architecture.keren_class(found, cold_below_per_mm2=390.625, mixed_above=0.22)
    phenotype = architecture.immune_phenotype(found, infiltrated_above=0.1, desert_below=0.05)
    return keren.name, phenotype.name


def test_contacts_are_counted_once_each():
    found = measured(SOLID)
    # 10 tumour cells touch the immune row below; immune: 2 rows of 11 pairs and 12 pairs between the rows
    assert found.mixing.above.sum() == 10
    assert found.mixing.below.sum() == 34
    assert found.mixing.value == pytest.approx(10 / 34)
    assert (found.n_cells, found.n_tumour, found.n_immune) == (84, 30, 24)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # nests without immune cells, immune cells in broad bands between them
        (
            """
tttttttttttttttt
tttttttttttttttt
tttttttttttttttt
tttttttttttttttt
tttttttttttttttt
tttttttttttttttt
................
iiiiiiiiiiiiiiii
iiiiiiiiiiiiiiii
iiiiiiiiiiiiiiii
iiiiiiiiiiiiiiii
................
""",
            ("compartmentalized", "excluded"),
        ),
        # immune cells among tumour cells
        (
            """
tittttittttitttt
ttttitttttttttit
tttttttitttttttt
titttttttitttitt
tttittttttttttti
ttttttitttitttit
................
................
""",
            ("mixed", "infiltrated"),
        ),
        # hardly any immune cell
        (
            """
ttttttttttttttttttttt
ttttttttttttttttttttt
ttttttttttttttttttttt
ttttttttttttttttttttt
ttttttttttttttttttttt
.....................
i....................
.....................
""",
            ("cold", "desert"),
        ),
    ],
)
def test_drawn_tissues_get_their_classes(text, expected):
    assert classes(measured(text, repeat=4)) == expected


def test_without_tumour_nothing_is_testable():
    positions, _, is_immune = drawn(SOLID, repeat=3)
    nothing = np.zeros(len(positions), dtype=bool)
    contacts = graph.radius_graph(positions, 12.0)
    found = architecture.measure(positions, contacts, is_tumour=nothing, is_immune=is_immune, inside=nothing)
    assert classes(found) == ("", "")
    assert "not testable" in architecture.keren_class(found, cold_below_per_mm2=1, mixed_above=1).note


def test_tumour_cells_without_a_region_can_only_be_a_desert():
    positions, _, is_immune = drawn(SOLID, repeat=3)
    nothing = np.zeros(len(positions), dtype=bool)
    single = nothing.copy()
    single[0] = True
    contacts = graph.radius_graph(positions, 12.0)
    found = architecture.measure(positions, contacts, is_tumour=single, is_immune=is_immune, inside=nothing)
    assert architecture.immune_phenotype(found, infiltrated_above=0.1, desert_below=0.05).name == ""
    assert architecture.immune_phenotype(found, infiltrated_above=0.1, desert_below=0.9).name == "desert"


def test_no_immune_cell_at_all_is_cold_and_a_desert():
    positions, is_tumour, _ = drawn(SOLID, repeat=3)
    nothing = np.zeros(len(positions), dtype=bool)
    inside = regions.find_tumour_regions(graph.radius_graph(positions, 40.0), is_tumour)
    contacts = graph.radius_graph(positions, 12.0)
    found = architecture.measure(positions, contacts, is_tumour=is_tumour, is_immune=nothing, inside=inside)
    assert classes(found) == ("cold", "desert")
    assert np.isnan(found.mixing.value)


def test_confidence_is_half_on_the_cut_and_grows_away_from_it():
    above, below = np.array([1.0, 2, 3, 2, 2]), np.array([10.0, 9, 11, 10, 10])
    ratio = architecture.Ratio(above, below)
    assert ratio.confidence(0.2) == pytest.approx(0.5)
    assert 0.5 < ratio.confidence(0.15) < ratio.confidence(0.1) < 1
    # by hand: D = above - 0.1 below = 0, 1.1, 1.9, 1, 1; their sum over its standard deviation
    difference = np.array([0.0, 1.1, 1.9, 1, 1])
    by_hand = stats.norm.cdf(difference.sum() / (difference.std(ddof=1) * 5**0.5))
    assert ratio.confidence(0.1) == pytest.approx(by_hand)


def test_confidence_is_the_share_of_like_sections_on_the_same_side():
    rng = np.random.default_rng(1)
    below = np.full(25, 40.0)
    true = 0.25
    sections = [architecture.Ratio(rng.binomial(40, true, 25).astype(float), below) for _ in range(400)]
    same_side = np.mean([section.value >= 0.22 for section in sections])
    said = np.median([section.confidence(0.22) for section in sections])
    assert said == pytest.approx(same_side, abs=0.06)


def test_one_block_has_no_confidence_and_empty_blocks_do_not_count():
    assert np.isnan(architecture.Ratio(np.array([1.0, 0]), np.array([5.0, 0])).confidence(0.1))
    full = architecture.Ratio(np.array([1.0, 2]), np.array([5.0, 5]))
    with_empty = architecture.Ratio(np.array([1.0, 2, 0]), np.array([5.0, 5, 0]))
    assert full.confidence(0.1) == with_empty.confidence(0.1)
    assert architecture.Ratio(np.array([1.0, 1]), np.array([5.0, 5])).confidence(0.1) == 1


def test_ratio_of_nothing_is_missing_and_over_nothing_infinite():
    nothing = np.zeros(3)
    assert np.isnan(architecture.Ratio(nothing, nothing).value)
    assert architecture.Ratio(np.ones(3), nothing).value == np.inf


def test_compartments_go_by_lineage_or_type():
    pairs = [
        ("epithelial", "epithelial"),
        ("t_cell", "treg"),
        ("unknown", "immune"),
        ("erythroid", "red_cell"),
        ("platelet", "platelet"),
        ("hepatocyte", "hepatocyte"),
    ]
    lineage, cell_type = (pd.Series(values) for values in zip(*pairs, strict=True))
    assert compartments.is_tumour(lineage, cell_type).tolist() == [True, False, False, False, False, True]
    assert compartments.is_immune(lineage, cell_type).tolist() == [False, True, True, False, False, False]
