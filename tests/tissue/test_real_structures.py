"""Structures and niches of the public sections: follicles of a spleen, and a lung cancer."""

from __future__ import annotations

import pytest
from benchmarks import spatial_structure as benchmark

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def spleen(data_dir):
    path = data_dir / "hubmap_spleen_codex_pkhl" / "pkhl_cells.csv.gz"
    positions, types, _ = benchmark.read_section(path, "spleen_codex")
    return positions, types


def test_the_follicles_of_a_spleen_are_aggregates_of_b_cells_and_a_niche(spleen):
    positions, types = spleen
    found, table = benchmark.find_structures(positions, types)
    assert len(types) == 154_446
    assert 8 <= found.n <= 25
    assert table["b_share"].mean() >= 0.7
    # follicles are some hundred micrometres wide
    assert table["diameter_um"].head(8).between(200, 600).all()
    cohort, (given,), names_of = benchmark.find_niches([spleen])
    b_niche = int(cohort.centres[:, names_of.index("b_cell")].argmax())
    assert (given[found.core >= 0] == b_niche).mean() > 0.95
    assert (given[found.core < 0] == b_niche).mean() < 0.15


def test_b_cells_scattered_over_the_same_spleen_make_no_follicle(spleen):
    positions, types = spleen
    shuffled = types.sample(frac=1, random_state=1).reset_index(drop=True)
    assert benchmark.find_structures(positions, shuffled)[0].n == 0
    assert len(benchmark.find_niches([(positions, shuffled)])[0].centres) == 0


def test_a_lung_cancer_has_lymphoid_structures_and_a_niche_of_lymphocytes(data_dir):
    path = data_dir / "cosmx_nsclc_lung5_1_celltypes" / "lung5_cells.csv.gz"
    positions, types, _ = benchmark.read_section(path, "nsclc_cosmx_lung5")
    assert len(types) == 100_149
    _, table = benchmark.find_structures(positions, types)
    assert set(table["kind"]) == {"tls"}
    assert (table["confidence"] >= 0.9).all()
    cohort, _, names_of = benchmark.find_niches([(positions, types)])
    tops = {names_of[int(centre.argmax())] for centre in cohort.centres}
    assert {"epithelial", "macrophage", "fibroblast"} <= tops


def test_published_classes_of_breast_cancers_are_found(data_dir):
    figures = {figure.metric: figure for figure in benchmark.keren_figures(data_dir)}
    assert figures["patients with the published class"].ours >= 18
    assert all(figure.met for figure in figures.values())
