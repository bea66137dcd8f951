import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from sklearn.manifold import trustworthiness
from umap.umap_ import find_ab_params

from stietime.cells.embedding.layout import draw, fit_curve
from stietime.cells.embedding.neighbours import nearest_neighbours, neighbour_graph

GROUPS = 8


def points(n, dimensions=10, seed=0, n_groups=GROUPS):
    """Groups of cells, each stretched along a line."""
    rng = np.random.default_rng(seed)
    centres, ways = rng.normal(0, 8, (n_groups, dimensions)), rng.normal(0, 2, (n_groups, dimensions))
    groups = np.arange(n) % n_groups
    data = centres[groups] + ways[groups] * rng.random((n, 1)) + rng.normal(size=(n, dimensions))
    return data.astype(np.float32)


def drawn(data, **options):
    return draw(data, neighbour_graph(data, 15).weights, **options)


@pytest.fixture(scope="module")
def cohort():
    data = points(3000)
    return data, neighbour_graph(data, 15).weights


def of_own_group(coordinates):
    """Share of the five nearest drawn cells that are of the cell's own group."""
    groups = np.arange(len(coordinates)) % GROUPS
    return (groups[nearest_neighbours(coordinates, 5).indices] == groups[:, None]).mean()


@pytest.mark.parametrize("fit_up_to", [5000, 1000])
def test_groups_stay_apart_and_neighbours_together_as_in_scanpys_umap(cohort, fit_up_to):
    data, graph = cohort
    found = draw(data, graph, fit_up_to=fit_up_to, n_fitted=1000)
    assert found.points.shape == (3000, 2)
    assert (found.n_fitted, found.n_placed) == ((3000, 0) if fit_up_to == 5000 else (1000, 2000))
    cells = ad.AnnData(shape=(3000, 0), obsm={"embedding": data})
    sc.pp.neighbors(cells, n_neighbors=16, use_rep="embedding")
    sc.tl.umap(cells, min_dist=0.3, maxiter=200)
    theirs = trustworthiness(data, cells.obsm["X_umap"], n_neighbors=15)
    assert trustworthiness(data, found.points, n_neighbors=15) > theirs - 0.02
    assert of_own_group(found.points) > 0.98


@pytest.mark.parametrize("fit_up_to", [5000, 1000])
def test_the_same_seed_gives_the_same_drawing_on_any_number_of_threads(cohort, fit_up_to):
    options = {"fit_up_to": fit_up_to, "n_fitted": 1000}
    one, two = (draw(*cohort, seed=3, n_threads=n, **options).points for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert (draw(*cohort, seed=4, **options).points != one).any()


def test_a_placed_cell_lies_among_the_fitted_cells_it_is_nearest_to(cohort):
    data, graph = cohort
    placed = draw(data, graph, fit_up_to=1000, n_fitted=1000, seed=5).points
    rows = np.sort(np.random.default_rng(5).choice(3000, 1000, replace=False))
    others = np.setdiff1d(np.arange(3000), rows)
    distances = ((data[others, None] - data[rows]) ** 2).sum(axis=2)
    around = placed[rows[np.argsort(distances, axis=1)[:, :15]]]
    inside = (placed[others] >= around.min(axis=1) - 1e-4) & (placed[others] <= around.max(axis=1) + 1e-4)
    assert inside.all(axis=1).mean() > 0.97  # the search is approximate


def test_the_drawing_keeps_the_share_of_a_rare_group():
    data = points(4000)
    rare = np.arange(4000) >= 3960
    data[rare] += 60
    found = drawn(data, fit_up_to=1000, n_fitted=1000).points
    nearest = nearest_neighbours(found, 3).indices
    assert rare[nearest[rare]].mean() > 0.9


def test_cells_closer_than_the_smallest_distance_are_spread(cohort):
    near, far = (draw(*cohort, min_distance=distance).points for distance in (0.01, 0.9))
    spacing = [np.median(nearest_neighbours(found, 1).distances) for found in (near, far)]
    assert spacing[0] < 0.7 * spacing[1]


def test_the_curve_is_that_of_umap():
    for distance in (0.1, 0.3, 0.9):
        np.testing.assert_allclose(fit_curve(distance), find_ab_params(1.0, distance), rtol=1e-4)


@pytest.mark.parametrize("n", [2, 3, 5, 17])
def test_a_few_cells_can_be_drawn(n):
    found = drawn(points(n))
    assert found.points.shape == (n, 2)
    assert np.isfinite(found.points).all()


def test_duplicates_can_be_drawn():
    data = np.vstack([np.zeros((30, 10)), points(20)]).astype(np.float32)
    assert np.isfinite(drawn(data).points).all()
    assert np.isfinite(drawn(np.zeros((3000, 4), dtype=np.float32), fit_up_to=100, n_fitted=200).points).all()
