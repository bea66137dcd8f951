"""Models of CellTypist and labelled references, read and refused."""

import pickle
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from stietime.cells.normalisation import log_normalise
from stietime.cells.types.type_model import TypeModel
from stietime.errors import InputError
from stietime.inputs.read import ReadingOptions
from stietime.inputs.type_models import read_celltypist, read_labelled, translate

GENES = [f"GENE{number}" for number in range(15)]


def write_model(path, n_labels=3):
    rng = np.random.default_rng(0)
    values, labels = (
        rng.normal(size=(90, 15)),
        np.array([f"label {n}" for n in rng.integers(0, n_labels, 90)]),
    )
    scaler = StandardScaler().fit(values)
    model = LogisticRegression().fit(scaler.transform(values), labels)
    model.features = np.array(GENES)  # as CellTypist adds them
    path.write_bytes(pickle.dumps({"Model": model, "Scaler_": scaler, "description": {}}))
    return model, scaler


def test_a_model_is_read(tmp_path):
    model, scaler = write_model(tmp_path / "m.pkl")
    found = read_celltypist(tmp_path / "m.pkl")
    assert found.labels == ("label 0", "label 1", "label 2")
    assert found.genes.tolist() == GENES
    np.testing.assert_array_equal(found.coefficients, model.coef_)
    np.testing.assert_array_equal(found.means, scaler.mean_)


def test_a_model_of_two_labels_has_a_score_for_each(tmp_path):
    model, _ = write_model(tmp_path / "m.pkl", n_labels=2)
    found = read_celltypist(tmp_path / "m.pkl")
    np.testing.assert_array_equal(found.coefficients, np.vstack([-model.coef_, model.coef_]))
    np.testing.assert_array_equal(found.intercepts, np.array([-1, 1]) * model.intercept_)


@pytest.mark.parametrize("content", [b"text", pickle.dumps({"Model": 1}), b""])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "m.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no model of CellTypist"):
        read_celltypist(path)
    with pytest.raises(InputError, match="does not exist"):
        read_celltypist(tmp_path / "none.pkl")


def write_reference(path, **columns):
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(2, (20, 4)).astype(np.float32))
    obs = pd.DataFrame(columns, index=[f"c{number}" for number in range(20)])
    ad.AnnData(counts, obs, pd.DataFrame(index=["CD3D", "CD8A", "MS4A1", "LYZ"])).write_h5ad(path)


OPTIONS = {"known_cell_types": {"t_cell", "b_cell", "unknown"}, "cell_type_column": "label"}


def test_a_reference_is_read_without_its_unlabelled_cells(tmp_path):
    path = tmp_path / "r.h5ad"
    write_reference(path, label=["T"] * 8 + ["b_cell"] * 7 + [""] * 5)
    found = read_labelled(path, ReadingOptions(**OPTIONS, cell_type_names={"T": "t_cell"}))
    assert found.counts.shape == (15, 4)
    assert found.labels.tolist() == ["t_cell"] * 8 + ["b_cell"] * 7


def test_mistakes_name_the_options_of_the_annotation(tmp_path):
    path = tmp_path / "r.h5ad"
    write_reference(path, other=["T"] * 20)
    with pytest.raises(InputError) as raised:
        read_labelled(path, ReadingOptions(**OPTIONS))
    assert "annotation.reference_column" in raised.value.fix
    write_reference(path, label=["T"] * 20)
    with pytest.raises(InputError) as raised:
        read_labelled(path, ReadingOptions(**OPTIONS))
    assert "annotation.label_names" in raised.value.fix
    with pytest.raises(InputError, match="does not exist"):
        read_labelled(tmp_path / "none.h5ad", ReadingOptions(**OPTIONS))


def test_every_label_needs_a_name():
    known = {"nk", "unknown"}
    assert translate(["nk", "NK cells"], {"NK cells": "nk"}, known, "m.pkl") == ["nk", "nk"]
    with pytest.raises(InputError, match="2 labels have no name here: 'A', 'B'"):
        translate(["B", "nk", "A"], {}, known, "m.pkl")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_a_model_of_celltypist_says_what_celltypist_says():
    folder = Path(__file__).parents[1] / "references" / "celltypist"
    cells = pd.read_csv(folder / "cells.tsv", sep="\t", index_col="cell")
    file = read_celltypist(folder / "model.pkl")
    parts = (file.labels, file.genes, file.coefficients, file.intercepts, file.means, file.scales)
    model = TypeModel(*parts).restricted(list(cells.columns))
    counts = sparse.csr_matrix(cells[model.genes].to_numpy(dtype=float))
    expression = log_normalise(counts, cell_totals=cells["total"].to_numpy(dtype=float))
    expected = cells[[f"P({label})" for label in model.labels]].to_numpy()
    np.testing.assert_allclose(model.probabilities(sparse.csr_matrix(expression)), expected, atol=1e-6)
    assert expected.max(axis=1).min() > 0.3
    assert len(set(expected.argmax(axis=1))) == len(model.labels)
