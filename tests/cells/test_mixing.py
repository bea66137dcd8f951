import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy
from scipy.stats.contingency import association

from stietime.cells.mixing import (
    confounding,
    cramers_v,
    full_mixing,
    kernel_weights,
    local_diversity,
    mixing_rows,
    sampled_rows,
)


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
    rows = sampled_rows(300, 40)
    assert len(np.unique(rows)) == 40
    part = local_diversity(points, labels, rows=rows)["batch"]
    np.testing.assert_allclose(part, local_diversity(points, labels)["batch"].to_numpy()[rows])


def test_cramers_v_agrees_with_scipy():
    rng = np.random.default_rng(5)
    one = rng.choice(list("abc"), 400)
    other = np.where(rng.random(400) < 0.5, one, rng.choice(list("abcd"), 400))
    table = pd.crosstab(one, other).to_numpy()
    assert cramers_v(one, other) == pytest.approx(association(table, method="cramer"))
    assert cramers_v(one, one) == pytest.approx(1)
    assert np.isnan(cramers_v(one, ["x"] * 400))


@pytest.mark.parametrize(
    ("batches", "environments", "word", "strength"),
    [
        (["a", "b"] * 50, ["STIE", "TIME"] * 50, "confounded: every batch holds one environment", 1),
        (["a", "b", "c", "c"] * 25, ["STIE", "TIME", "STIE", "TIME"] * 25, "nearly confounded", 0.7071),
        (list("abb") * 40, ["STIE", "STIE", "TIME"] * 40, "partly confounded: 1 of 2 batches hold one", 0.5),
        (["a", "a", "b", "b"] * 25, ["STIE", "TIME"] * 50, "not confounded", 0),
        (["a"] * 100, ["STIE", "TIME"] * 50, "one batch only", np.nan),
        (["a", "b"] * 50, ["TIME"] * 100, "one environment only", np.nan),
    ],
)
def test_confounding_is_told_in_words(batches, environments, word, strength):
    found, note = confounding(pd.Series(batches), pd.Series(environments))
    assert note.startswith(word)
    assert found == pytest.approx(strength, abs=1e-3, nan_ok=True)


def test_rows_name_the_embedding_the_ideal_and_n():
    rng = np.random.default_rng(6)
    labels = pd.DataFrame({"batch": rng.choice(list("ab"), 200), "given_cell_type": "t_cell"})
    rows = pd.DataFrame(mixing_rows("pca", rng.normal(size=(200, 3)), labels, max_cells=50))
    assert rows["metric"].tolist() == ["lisi_batch", "lisi_given_cell_type"]
    assert rows["n"].tolist() == [50, 50]
    assert rows["ideal"].tolist() == [pytest.approx(2, rel=0.05), 1]
    assert rows["value"].tolist() == [pytest.approx(2, rel=0.1), pytest.approx(1)]


@pytest.mark.data
def test_diversity_agrees_with_the_original_in_r(data_dir):
    folder = data_dir / "harmonypy_reference_R"
    points = pd.read_csv(folder / "lisi_x.tsv.gz", sep="\t").to_numpy()
    labels = pd.read_csv(folder / "lisi_metadata.tsv.gz", sep="\t")
    theirs = pd.read_csv(folder / "lisi_lisi.tsv.gz", sep="\t")
    ours = local_diversity(points, labels)
    for name in labels.columns:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3)
