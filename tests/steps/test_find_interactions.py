"""The step on ligands and receptors, run as typed."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from stietime import cli, storage
from stietime.resources import read_claims, read_ligand_receptors, read_markers

GENES = ["CXCL13", "CXCR5", "TGFB1", "TGFBR1", "FILLER"]


def write_section(folder, *, n: int = 1600, genes=GENES) -> pd.Index:
    """Fibroblasts and B cells, evenly mixed; CXCL13 and CXCR5 are high in the same corner."""
    rng = np.random.default_rng(0)
    positions = rng.random((n, 2)) * 800
    types = rng.choice(["fibroblast", "b_cell", "unknown"], n, p=[0.45, 0.45, 0.1])
    corner = (np.sin(positions / 60).prod(axis=1) > 0) * 3.0 + 0.2
    rates = np.column_stack(
        [
            corner * (types == "fibroblast"), corner * (types == "b_cell"),
            np.ones(n), np.ones(n), np.full(n, 60.0),
        ]
    )  # fmt: skip
    counts = csr_matrix(rng.poisson(rates[:, : len(genes)]).astype(np.int32), shape=(n, len(genes)))
    index = pd.Index([f"s1:{i}" for i in range(n)], dtype=object)
    obs = pd.DataFrame({"sample": "s1", "species": "human", "source_fov": np.arange(n) % 2}, index=index)
    cells = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=pd.Index(genes, dtype=object)))
    cells.obsm["spatial"] = positions
    storage.write_cells(cells, folder / "s1.h5ad")
    region = np.where(positions[:, 0] < 400, "tumour", "stroma").astype(object)
    places = {"x_um": positions[:, 0], "y_um": positions[:, 1]}
    spots = storage.cell_table(index, **places, cell_type=types.astype(object), region=region)
    storage.write_table(spots, folder / "spots.parquet")
    return index


def find(folder, *words: str, spatial: dict | None = None, **settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    start = ["step", "find-interactions", "--counts", str(folder / "s1.h5ad")]
    start += ["--spots", str(folder / "spots.parquet"), "--settings", json.dumps(settings)]
    start += ["--spatial", json.dumps(spatial or {})]
    outputs = ["--output", str(folder / "found.tsv"), "--profiles", str(folder / "profiles.tsv")]
    assert cli.main([*start, *outputs, *words]) == 0
    return storage.read_table(folder / "found.tsv"), storage.read_table(folder / "profiles.tsv")


@pytest.mark.parametrize("condition_on", ["region", "density", "region_and_density", "none"])
def test_a_planted_axis_is_found_and_a_gene_off_the_panel_is_not_testable(tmp_path, condition_on):
    write_section(tmp_path)
    found, profiles = find(tmp_path, condition_on=condition_on, max_distance_um=60)
    rows = found.set_index(["ligand", "receptor", "type_a", "type_b"])
    planted = rows.loc[("CXCL13", "CXCR5", "fibroblast", "b_cell")]
    assert planted["status"] == "tested"
    assert planted["q"] < 1e-6
    assert planted["ci_low"] > 0
    assert planted["distance_um"] == 60
    complex_ = found[(found["ligand"] == "TGFB1")]
    assert complex_["note"].tolist() == ["not testable: TGFBR2 is not on the panel"]
    assert len(found) == len(read_ligand_receptors()) - 1 + 3 * 3
    assert "unknown" not in set(found["type_a"])
    chosen = profiles[(profiles["type_a"] == "fibroblast") & (profiles["type_b"] == "b_cell")]
    assert chosen["to_um"].tolist() == [25, 50, 60]


def test_fields_are_kept_apart(tmp_path):
    write_section(tmp_path)
    together, _ = find(tmp_path)
    apart, _ = find(tmp_path, spatial={"field_column": "fov"})
    key = (together["type_a"] == "all") & (together["type_b"] == "all") & (together["status"] == "tested")
    ratio = apart.loc[key, "n_pairs"] / together.loc[key, "n_pairs"]
    assert ratio.to_numpy() == pytest.approx(0.5, abs=0.02)


def test_a_section_without_genes_says_so_of_every_pair(tmp_path):
    write_section(tmp_path, genes=[])
    found, profiles = find(tmp_path)
    assert len(found) == len(read_ligand_receptors())
    assert found["note"].str.contains("not on the panel").all()
    assert profiles.empty


def test_spots_take_their_shares(tmp_path):
    index = write_section(tmp_path)
    rng = np.random.default_rng(1)
    shares = rng.dirichlet([1, 1, 1], len(index))
    parts = storage.cell_table(index, share_a=shares[:, 0], share_b=shares[:, 1], n_counts_used=1.0)
    storage.write_table(parts, tmp_path / "parts.parquet")
    found, profiles = find(tmp_path, "--proportions", str(tmp_path / "parts.parquet"), max_distance_um=60)
    assert len(found) == len(read_ligand_receptors())
    row = found.set_index(["ligand", "receptor"]).loc[("CXCL13", "CXCR5")]
    assert row["status"] == "tested"
    assert row["q"] < 1e-6
    assert profiles.empty


def test_the_table_of_pairs_names_claims_and_covers_the_range_set():
    claims, markers = set(read_claims()["claim_id"]), read_markers()
    pairs = read_ligand_receptors()
    named = {name for text in pairs["named_by"] for name in text.split(";")}
    assert named - {"paracrine_range"} <= claims
    assert set(markers.loc[markers["set_id"] == "paracrine_range", "gene"]) <= set(pairs["ligand"])
    assert (pairs["source"] != "").all()
    assert not pairs.duplicated(["ligand", "receptor"]).any()
    axes = {("ARTN", "GFRA3+RET"), ("CXCL13", "CXCR5"), ("CD274", "PDCD1"), ("TGFB1", "TGFBR1+TGFBR2")}
    assert axes <= set(zip(pairs["ligand"], pairs["receptor"], strict=True))
    mouse = read_ligand_receptors("mouse")
    assert len(mouse) == len(pairs) - 3
    orthologs = markers.merge(read_markers("mouse"), on=["set_id", "label"], suffixes=("", "_mouse"))
    assert "Ccl21a" in set(mouse["ligand"]) & set(orthologs["gene_mouse"])
