import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cells.embedding.integration import correct_for_batch, principal_components, uncorrected


def expression(n_cells, n_genes, seed=0, rank=4):
    """Sparse, non-negative data with a few strong directions."""
    rng = np.random.default_rng(seed)
    low = (
        rng.gamma(0.5, 1, (n_cells, rank))
        @ rng.gamma(0.5, 1, (rank, n_genes))
        * np.arange(1, n_genes + 1) ** -0.3
    )
    return sparse.csr_matrix(rng.poisson(low).astype(np.float32))


def shifted(n_cells=300, n_components=10, n_types=3, shift=4.0, seed=0):
    """Components of types that each occur in both batches, the batches apart in one component."""
    rng = np.random.default_rng(seed)
    types, batches = rng.integers(0, n_types, n_cells), rng.integers(0, 2, n_cells)
    points = rng.normal(0, 0.5, (n_cells, n_components)) + rng.normal(0, 6, (n_types, n_components))[types]
    points[:, 1] += shift * batches
    return points, types, np.where(batches == 1, "b", "a")


@pytest.mark.parametrize(("n_cells", "n_genes"), [(40, 200), (300, 60), (400, 500), (5000, 100)])
def test_components_agree_with_a_dense_decomposition(n_cells, n_genes):
    data = expression(n_cells, n_genes)
    ours = principal_components(data, 5)
    centred = data.toarray().astype(float) - data.toarray().mean(axis=0, dtype=float)
    left, singular, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(axes[:5] @ ours.axes.loadings), np.eye(5), atol=1e-6)
    np.testing.assert_allclose(ours.axes.explained, (singular**2 / (singular**2).sum())[:5], rtol=1e-6)
    np.testing.assert_allclose(np.abs(ours.scores), np.abs(left * singular)[:, :5], atol=1e-5)
    np.testing.assert_allclose(ours.axes.centre, data.toarray().mean(axis=0, dtype=float), rtol=1e-6)


def test_components_are_the_same_every_time_and_have_a_fixed_sign():
    data = expression(700, 600)
    one, other = principal_components(data, 10), principal_components(data.copy(), 10)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_allclose(one.scores, principal_components(data, 10, seed=7).scores, atol=1e-9)
    assert (one.axes.loadings.max(axis=0) == np.abs(one.axes.loadings).max(axis=0)).all()


def test_the_same_cells_project_onto_their_scores():
    data = expression(100, 80)
    found = principal_components(data, 6)
    np.testing.assert_allclose(found.axes.project(data), found.scores, atol=1e-9)


@pytest.mark.parametrize(
    ("n_cells", "n_genes", "n_found"), [(3, 80, 2), (6, 80, 5), (80, 5, 4), (30, 80, 29), (31, 80, 30)]
)
def test_few_cells_or_genes_give_fewer_components(n_cells, n_genes, n_found):
    assert principal_components(expression(n_cells, n_genes), 30).scores.shape == (n_cells, n_found)


def test_directions_without_variance_are_left_out():
    found = principal_components(expression(6, 80)[np.arange(60) % 6], 30)
    assert found.scores.shape == (60, 5)
    assert found.axes.loadings.shape == (80, 5)
    assert found.axes.explained.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "data",
    [
        expression(2, 50),
        sparse.csr_matrix(np.full((20, 30), 0.1)),
        sparse.csr_matrix((20, 30)),
        expression(2, 50)[np.arange(20) % 2],
    ],
)
def test_cells_that_do_not_vary_are_refused(data):
    with pytest.raises(ValueError, match=r"at least 3 cells|fewer than 2 directions"):
        principal_components(data, 5)


def gap(points, types, batches):
    """Distance between the batches within types."""
    frame = pd.DataFrame(points).groupby([types, batches]).mean()
    return np.mean(
        [np.linalg.norm(frame.loc[(kind, "a")] - frame.loc[(kind, "b")]) for kind in np.unique(types)]
    )


def test_harmony_brings_batches_together_and_keeps_types_apart():
    points, types, batches = shifted()
    found = correct_for_batch(points, batches)
    assert found.ran
    assert found.note == ""
    assert found.embedding.shape == points.shape
    assert gap(found.embedding, types, batches) < 0.3 * gap(points, types, batches)
    centres = pd.DataFrame(found.embedding).groupby(types).mean().to_numpy()
    assert min(np.linalg.norm(centres[i] - centres[j]) for i in range(3) for j in range(i)) > 5


def test_harmony_is_deterministic_for_any_number_of_threads():
    points, _, batches = shifted()
    one, again, two = (correct_for_batch(points, batches, n_threads=n).embedding for n in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_rounds_are_counted_and_a_stop_at_the_limit_is_not_convergence():
    points, _, batches = shifted(shift=8)
    assert not correct_for_batch(points, batches, max_iterations=1).converged
    found = correct_for_batch(points, batches, max_iterations=50)
    assert found.converged
    assert 1 <= found.n_iterations < 50


@pytest.mark.parametrize(
    ("n_cells", "n_components", "batches", "word"),
    [
        (100, 10, ["a"] * 100, "one batch"),
        (20, 5, ["a", "b"] * 10, "too few"),
        (40, 40, ["a", "b"] * 20, "too few"),
    ],
)
def test_what_cannot_be_corrected_is_returned_as_it_is_with_the_reason(n_cells, n_components, batches, word):
    points = np.random.default_rng(0).normal(size=(n_cells, n_components))
    found = correct_for_batch(points, batches)
    assert not found.ran
    assert word in found.note
    np.testing.assert_array_equal(found.embedding, points)


def test_a_batch_of_one_cell_and_few_components_are_fine():
    points, _, batches = shifted(60, 30)
    batches[0] = "alone"
    found = correct_for_batch(points, batches)
    assert found.ran
    assert np.isfinite(found.embedding).all()


@pytest.mark.parametrize("batches", [["a", None] * 50, ["a", float("nan")] * 50, ["a"] * 99])
def test_missing_batches_are_refused(batches):
    with pytest.raises(ValueError, match="one batch for each of 100 cells"):
        correct_for_batch(np.zeros((100, 5)), batches)


def test_uncorrected_keeps_the_reason():
    found = uncorrected(np.ones((2, 2)), "because")
    assert (found.ran, found.n_iterations, found.note) == (False, 0, "because")


def test_the_objective_is_kept_for_every_round_and_falls():
    points, _, batches = shifted()
    found = correct_for_batch(points, batches)
    assert len(found.objective) == found.n_iterations + 1
    assert found.objective[-1] < found.objective[0]
    assert found.covariates == ("batch",)
    assert uncorrected(points, "because").objective == ()


def test_several_covariates_are_corrected_together():
    points, types, batches = shifted(600, shift=5)
    chemistry = np.random.default_rng(9).choice(["v2", "v3"], 600)
    points[:, 2] += 5 * (chemistry == "v3")
    both = pd.DataFrame({"batch": batches, "chemistry": chemistry})
    one = correct_for_batch(points, batches).embedding
    found = correct_for_batch(points, both)
    assert found.covariates == ("batch", "chemistry")
    before = gap(points, types, np.where(chemistry == "v3", "b", "a"))
    assert gap(one, types, np.where(chemistry == "v3", "b", "a")) > 0.7 * before
    assert gap(found.embedding, types, np.where(chemistry == "v3", "b", "a")) < 0.3 * before
    assert gap(found.embedding, types, batches) < 0.3 * gap(points, types, batches)


def test_a_covariate_that_tells_nothing_new_is_left_out_with_the_reason():
    points, _, batches = shifted()
    frame = pd.DataFrame({"batch": batches, "run": np.where(batches == "a", 1, 2), "site": "here"})
    found = correct_for_batch(points, frame, theta=(2, 1, 1))
    assert found.covariates == ("batch",)
    assert found.note == "run has the groups of batch; all cells are of one site (here)"
    np.testing.assert_array_equal(found.embedding, correct_for_batch(points, batches).embedding)


def test_theta_zero_for_one_covariate_leaves_its_clusters_unbalanced():
    points, types, batches = shifted(600, shift=5)
    frame = pd.DataFrame({"other": np.random.default_rng(3).choice(["x", "y"], 600), "batch": batches})
    mixed, unmixed = (correct_for_batch(points, frame, theta=(0, value)).embedding for value in (4, 0))
    assert gap(mixed, types, batches) < gap(unmixed, types, batches)


def test_a_wrong_number_of_thetas_is_refused():
    points, _, batches = shifted()
    with pytest.raises(ValueError, match="one for each of 1 covariates, found 2"):
        correct_for_batch(points, batches, theta=(1, 2))


@pytest.mark.data
def test_harmony_agrees_with_the_original_in_r(data_dir):
    folder = data_dir / "harmonypy_reference_R"
    points = pd.read_csv(folder / "pbmc_3500_pcs.tsv.gz", sep="\t").to_numpy()
    donors = pd.read_csv(folder / "pbmc_3500_meta.tsv.gz", sep="\t")["donor"]
    theirs = pd.read_csv(folder / "pbmc_3500_pcs_harmonized.tsv.gz", sep="\t").to_numpy()
    ours = correct_for_batch(points, donors.tolist()).embedding
    agreement = [np.corrcoef(ours[:, place], theirs[:, place])[0, 1] for place in range(theirs.shape[1])]
    assert len(agreement) == 30
    assert min(agreement) >= 0.99
