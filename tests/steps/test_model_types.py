"""Cell types by a model of CellTypist and by a labelled reference, through the step as typed."""

import json
import pickle

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from stietime import cli, storage
from stietime.cells.normalisation import log_normalise
from stietime.simulate.cohort import Sample, simulate_cells, simulate_sample

NAMES = {"red_cell": "erythroid"}
SAMPLES = [Sample("p1", environment, "before") for environment in ("STIE", "TIME")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two samples with clusters, labelled cells of another seed, and a model learned from them."""
    here = tmp_path_factory.mktemp("models")
    clusters = [write_sample(here, sample) for sample in SAMPLES]
    storage.write_table(pd.concat(clusters), here / "clusters.parquet")
    parts = [simulate_cells(1500, seed=9, environment=environment) for environment in ("TIME", "STIE")]
    parts = [part[part.obs["true_kind"] == "cell"] for part in parts]
    labelled = ad.concat(parts, index_unique="-")
    labelled.obs["label"] = labelled.obs["true_cell_type"].astype(str)
    labelled.write_h5ad(here / "reference.h5ad")
    write_model(labelled, here / "model.pkl")
    return here


def write_sample(here, sample):
    cells = simulate_sample(sample, 500, seed=4)
    cells.obs_names = [f"{sample.name}:{barcode}" for barcode in cells.obs_names]
    cells.obs["species"] = "human"
    keep = (cells.obs["true_kind"] == "cell").to_numpy()
    storage.write_cells(cells, here / f"{sample.name}.h5ad")
    storage.write_table(storage.cell_table(cells.obs_names, keep=keep), here / f"{sample.name}.parquet")
    clusters = cells.obs["true_lineage"].astype(str).to_numpy()[keep]
    return storage.cell_table(cells.obs_names[keep], cluster=clusters)


def write_model(labelled, path):
    """Write a model as CellTypist does: scikit-learn's classifier and scaler, with the genes."""
    genes = np.flatnonzero(np.asarray((labelled.X > 0).mean(axis=0)).ravel() > 0.05)
    expression = log_normalise(sparse.csr_matrix(labelled.X))[:, genes].toarray()
    scaler = StandardScaler().fit(expression)
    standard = np.minimum(scaler.transform(expression), 10)
    model = LogisticRegression(C=0.1, max_iter=200).fit(standard, labelled.obs["label"].to_numpy(dtype=str))
    model.features = labelled.var_names[genes].to_numpy(dtype=str)
    path.write_bytes(pickle.dumps({"Model": model, "Scaler_": scaler, "description": {}}))


def annotate(folder, output, **settings):
    paths = [folder / sample.name for sample in SAMPLES]
    words = ["--counts", *(path.with_suffix(".h5ad") for path in paths)]
    words += ["--quality", *(path.with_suffix(".parquet") for path in paths)]
    words += ["--clusters", folder / "clusters.parquet", "--output", folder / output]
    return cli.main(["step", "annotate", *map(str, words), "--settings", json.dumps(settings)])


def truth_of(folder, cells):
    frames = [ad.read_h5ad(folder / f"{sample.name}.h5ad", backed="r").obs for sample in SAMPLES]
    return pd.concat(frames).loc[cells]


@pytest.mark.parametrize("method", ["reference", "celltypist"])
def test_types_come_from_a_model_or_a_reference(folder, method):
    files = {
        "reference": {"reference": str(folder / "reference.h5ad"), "reference_column": "label"},
        "celltypist": {"model": str(folder / "model.pkl")},
    }
    assert annotate(folder, f"{method}.parquet", method=method, label_names=NAMES, **files[method]) == 0
    types = storage.read_table(folder / f"{method}.parquet").set_index("cell")
    truth = truth_of(folder, types.index)
    wanted = truth["true_cell_type"].astype(str).replace(NAMES)
    told = types["cell_type"] != "unknown"
    assert told.mean() > 0.9
    assert (types["cell_type"] == wanted)[told].mean() > 0.9
    assert (types["lineage"] == truth["true_lineage"])[told].mean() > 0.95
    assert (types["marker_lineage"] == truth["true_lineage"]).mean() > 0.97
    assert {"celltypist": "red_cell", "reference": "erythroid"}[method] in set(types["evidence"])


def test_labels_without_a_name_and_missing_files_are_told(folder, capsys):
    reference = {"reference": str(folder / "reference.h5ad"), "reference_column": "label"}
    assert annotate(folder, "none.parquet", method="reference", **reference) == 2
    said = capsys.readouterr().err
    assert "red_cell" in said
    assert "annotation.label_names" in said
    assert annotate(folder, "none.parquet", method="celltypist", model=str(folder / "no.pkl")) == 2
    assert "the model does not exist" in capsys.readouterr().err
    assert not (folder / "none.parquet").exists()
