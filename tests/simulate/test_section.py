import numpy as np
import pytest
from scipy.spatial import cKDTree

from stietime.errors import InputError
from stietime.simulate.section import CLASSES, section_class, section_name, simulate_section

OWN = ("epithelial", "fibroblast", "pericyte", "endothelial")


@pytest.fixture(scope="module", params=[1, 2])
def sections(request):
    return {kind: simulate_section(kind, 1500, request.param, name=f"s_{kind}") for kind in CLASSES}


def immune_share(section, region=None):
    obs = section.obs if region is None else section.obs[section.obs["true_region"] == region]
    return (~obs["true_lineage"].isin(OWN)).mean()


def test_cells_stand_at_the_density_of_tissue(sections):
    for section in sections.values():
        points = section.obs[["x", "y"]].to_numpy()
        area = np.prod(np.ptp(points, axis=0))
        assert section.n_obs / area == pytest.approx(1500 / 500**2, rel=0.06)
        nearest = cKDTree(points).query(points, k=2)[0][:, 1]
        assert 8 < np.median(nearest) < 14
        assert nearest.min() > 2


def test_immune_cells_are_where_the_class_says(sections):
    infiltrated, excluded, desert = (sections[kind] for kind in CLASSES)
    assert immune_share(infiltrated, "tumour") > 0.2
    assert immune_share(excluded, "tumour") < 0.04
    assert immune_share(excluded, "stroma") > 0.4
    assert (~excluded.obs["true_lineage"].isin(OWN)).sum() > 250
    assert immune_share(desert) < 0.05
    for kind, section in sections.items():
        assert set(section.obs["true_class"]) == {kind}


def test_tumour_cells_make_nests(sections):
    for section in sections.values():
        region = section.obs["true_region"]
        tumour = section.obs["true_lineage"] == "epithelial"
        assert not tumour[region == "stroma"].any()
        points = section.obs[["x", "y"]].to_numpy()
        near = cKDTree(points).query(points, k=7)[1][:, 1:]
        same = (region.to_numpy()[near] == region.to_numpy()[:, None]).mean()
        assert same > 0.85


def test_sections_hold_counts_of_the_same_genes():
    section = simulate_section("infiltrated", 300, 1)
    assert section.X.dtype == np.int32
    assert {"CD3E", "EPCAM", "COL1A1"} <= set(section.var_names)
    epcam = section[section.obs["true_lineage"] == "epithelial", "EPCAM"].X.mean()
    assert epcam > 5 * section[section.obs["true_lineage"] == "fibroblast", "EPCAM"].X.mean()
    same = simulate_section("infiltrated", 300, 1)
    assert (section.X != same.X).nnz == 0
    assert (section.X != simulate_section("infiltrated", 300, 1, name="s4").X).nnz > 0


def test_classes_take_turns():
    assert [section_name(number) for number in (1, 2, 3, 4)] == [
        *("s1_infiltrated", "s2_excluded", "s3_desert", "s4_infiltrated"),
    ]
    assert section_class(5) == "excluded"


def test_a_class_that_is_not_known_is_told():
    with pytest.raises(InputError, match="'hot' cannot be simulated") as error:
        simulate_section("hot", 100)
    assert "infiltrated, excluded, desert" in error.value.fix
    with pytest.raises(InputError, match="3 cells"):
        simulate_section("desert", 3)
