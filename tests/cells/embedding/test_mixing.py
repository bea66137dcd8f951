import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, entropy

from stietime.cells.embedding.mixing import (
    full_mixing,
    kernel_weights,
    local_diversity,
    mixing_p,
)
from stietime.cells.embedding.neighbours import nearest_neighbours


def test_weights_have_the_wanted_perplexity():
    distances = np.sort(np.random.default_rng(0).gamma(2, 1, (50, 89)), axis=1)
    weights = kernel_weights(distances, 30)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(entropy(weights, axis=1)), 30, rtol=1e-3)


def test_far_neighbours_do_not_underflow():
    weights = kernel_weights(np.full((3, 20), 1e6) + np.arange(20), 6)
    np.testing.assert_allclose(np.exp(entropy(weights, axis=1)), 6, rtol=1e-3)


def test_diversity_is_one_apart_and_the_inverse_simpson_index_when_mixed():
    rng = np.random.default_rng(1)
    labels = pd.DataFrame({"mixed": rng.choice(["a", "b", "c"], 1500, p=[0.5, 0.3, 0.2]), "apart": "x"})
    labels.loc[:749, "apart"] = "y"
    points = rng.normal(size=(1500, 4))
    points[:750] += 50
    found = local_diversity(points, labels)
    np.testing.assert_allclose(found["apart"], 1)
    assert full_mixing(labels["mixed"]) == pytest.approx(1 / (0.25 + 0.09 + 0.04), rel=0.1)
    assert found["mixed"].median() == pytest.approx(full_mixing(labels["mixed"]), rel=0.1)


def test_a_missing_label_is_a_label_of_its_own():
    points = np.random.default_rng(2).normal(size=(200, 3))
    labels = pd.DataFrame({"kind": ["a", None] * 100})
    assert local_diversity(points, labels)["kind"].median() > 1.8
    assert full_mixing(labels["kind"]) == pytest.approx(2)


def test_few_cells_are_measured_with_fewer_neighbours():
    points = np.random.default_rng(3).normal(size=(5, 3))
    found = local_diversity(points, pd.DataFrame({"batch": list("ababa")}))
    assert found["batch"].between(1 - 1e-9, 2 + 1e-9).all()


def test_chosen_cells_have_the_values_they_have_among_all():
    rng = np.random.default_rng(4)
    points, labels = rng.normal(size=(300, 3)), pd.DataFrame({"batch": rng.choice(list("ab"), 300)})
    rows = np.arange(0, 300, 7)
    part = local_diversity(points, labels, rows=rows)["batch"]
    np.testing.assert_allclose(part, local_diversity(points, labels)["batch"].to_numpy()[rows])


def test_the_test_of_mixing_is_that_of_scipy_on_the_cell_and_its_neighbours():
    rng = np.random.default_rng(7)
    points, labels = rng.normal(size=(300, 3)), pd.Series(rng.choice(list("abc"), 300, p=[0.5, 0.3, 0.2]))
    rows = np.arange(0, 300, 10)
    found = nearest_neighbours(points, 40, rows=rows)
    p = mixing_p(found, rows, labels, k=21)
    shares = labels.value_counts(normalize=True)
    for place, row in enumerate(rows):
        nearest = np.argsort(((points - points[row]) ** 2).sum(axis=1), kind="stable")[:21]
        seen = labels[nearest].value_counts().reindex(shares.index, fill_value=0)
        assert p[place] == pytest.approx(chisquare(seen, 21 * shares).pvalue)


def test_mixed_cells_are_accepted_and_cells_apart_are_not():
    rng = np.random.default_rng(8)
    points, labels = rng.normal(size=(1000, 4)), pd.Series(np.repeat(["a", "b"], 500))
    rows = np.arange(1000)
    mixed = mixing_p(nearest_neighbours(points, 49), rows, labels.sample(frac=1, random_state=1))
    assert (mixed >= 0.05).mean() == pytest.approx(0.95, abs=0.04)
    apart = points + np.where(labels == "a", 0, 50)[:, None]
    assert (mixing_p(nearest_neighbours(apart, 49), rows, labels) < 1e-6).all()
    assert np.isnan(mixing_p(nearest_neighbours(points, 49), rows, pd.Series(["a"] * 1000))).all()


@pytest.mark.data
def test_diversity_agrees_with_the_original_in_r(data_dir):
    folder = data_dir / "harmonypy_reference_R"
    points = pd.read_csv(folder / "lisi_x.tsv.gz", sep="\t").to_numpy()
    labels = pd.read_csv(folder / "lisi_metadata.tsv.gz", sep="\t")
    theirs = pd.read_csv(folder / "lisi_lisi.tsv.gz", sep="\t")
    ours = local_diversity(points, labels)
    for name in labels.columns:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3)
