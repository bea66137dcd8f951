"""Types by a linear model: learned, applied to fewer genes, and chosen with what they are sure of."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from stietime.cells.normalisation import log_normalise
from stietime.cells.types.type_model import LARGEST, TypeModel, learn_model, types_of
from stietime.simulate.cohort import simulate_cells

KINDS = ("cd4_t", "cd8_t", "nk", "b_cell", "mono_cd14", "neutrophil", "epithelial", "fibroblast")


def labelled(seed):
    parts = [simulate_cells(1200, seed=seed, environment=environment) for environment in ("TIME", "STIE")]
    obs = pd.concat([part.obs for part in parts])
    counts = sparse.csr_matrix(sparse.vstack([part.X for part in parts]))
    kept = ((obs["true_kind"] == "cell") & obs["true_cell_type"].isin(KINDS)).to_numpy()
    expression = log_normalise(counts[np.flatnonzero(kept)])
    return expression, pd.Index(parts[0].var_names, dtype=object), obs["true_cell_type"][kept].astype(str)


@pytest.fixture(scope="module")
def learned():
    expression, genes, labels = labelled(1)
    return learn_model(expression, genes, labels)


def test_types_of_other_cells_are_found(learned):
    expression, genes, labels = labelled(2)
    model = learned.restricted(list(genes))
    columns = genes.get_indexer(model.genes)
    probabilities = model.probabilities(expression[:, columns])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    found = types_of(probabilities, model.labels, model.labels, 0.5, "unknown")
    assert (found["cell_type"].to_numpy() == labels.to_numpy()).mean() > 0.95
    sure = found["cell_type_confidence"] > 0.95
    right = found["cell_type"].to_numpy() == labels.to_numpy()
    assert right[sure].mean() > right[~sure].mean()
    assert (found["runner_up"] != found["cell_type"]).all()


def test_fewer_genes_are_enough_and_too_few_are_refused(learned):
    expression, genes, labels = labelled(3)
    half = genes[::2]
    model = learned.restricted(list(half))
    assert set(model.genes) <= set(half)
    probabilities = model.probabilities(expression[:, genes.get_indexer(model.genes)])
    assert (np.array(model.labels)[probabilities.argmax(axis=1)] == labels.to_numpy()).mean() > 0.85
    with pytest.raises(ValueError, match=r"^3 of the \d+ genes"):
        learned.restricted(list(learned.genes[:3]))


def test_probabilities_are_those_of_the_classifier_itself():
    rng = np.random.default_rng(0)
    values, label = rng.normal(size=(300, 12)), rng.integers(0, 3, 300)
    expression = np.abs(values + label[:, None] * np.linspace(0, 2, 12))
    means, scales = expression.mean(axis=0), expression.std(axis=0)
    standard = np.minimum((expression - means) / scales, LARGEST)
    theirs = LogisticRegression().fit(standard, label)
    genes = pd.Index([f"g{number}" for number in range(12)])
    parts = (("0", "1", "2"), genes, theirs.coef_, theirs.intercept_, means, scales)
    ours = TypeModel(*parts, exclusive=True).probabilities(sparse.csr_matrix(expression))
    np.testing.assert_allclose(ours, theirs.predict_proba(standard), rtol=1e-10)
    apart = TypeModel(*parts).probabilities(sparse.csr_matrix(expression))
    np.testing.assert_allclose(apart, 1 / (1 + np.exp(-theirs.decision_function(standard))), rtol=1e-10)


def test_two_labels_are_told_apart():
    rng = np.random.default_rng(1)
    label = pd.Series(rng.choice(["a", "b"], 200))
    expression = sparse.csr_matrix(
        rng.poisson(np.where(label == "a", 1, 3)[:, None], (200, 30)).astype(float)
    )
    model = learn_model(expression, pd.Index([f"g{number}" for number in range(30)]), label)
    probabilities = model.probabilities(expression[:, model.genes.str[1:].astype(int)])
    assert model.labels == ("a", "b")
    assert (np.array(["a", "b"])[probabilities.argmax(axis=1)] == label).mean() > 0.95


def test_a_cell_of_no_clear_label_is_unknown_and_labels_of_one_type_are_one():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25], [0.1, 0.2, 0.7], [0.2, 0.7, 0.1]])
    found = types_of(probabilities, ("nk", "nk", "unknown"), ("nk", "nk", "unknown"), 0.5, "unknown")
    assert found["cell_type"].tolist() == ["nk", "unknown", "unknown", "nk"]
    assert found["lineage"].tolist() == ["nk", "unknown", "unknown", "nk"]
    assert found["runner_up"].tolist() == ["", "nk", "nk", ""]
    assert found["cell_type_confidence"].tolist() == [0.6, 0.4, 0.7, 0.7]


def test_too_few_labelled_cells_are_refused():
    expression = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (12, 40)).astype(float))
    genes = pd.Index([f"g{number}" for number in range(40)])
    with pytest.raises(ValueError, match="1 labels have 10 cells or more"):
        learn_model(expression, genes, pd.Series(["a"] * 11 + ["b"]))
