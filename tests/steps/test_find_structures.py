"""The steps on structures and niches, run as typed, on drawn tissues."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from benchmarks.drawn_tissue import read_drawing

from stietime import cli, storage
from stietime.tissue.graphs import graph
from stietime.tissue.regions import regions

LINEAGES = {
    "epithelial": "epithelial", "cd8_t": "t_cell", "cd4_t": "t_cell", "b_cell": "b_cell", "dc": "dc",
    "fibroblast": "fibroblast", "endothelial": "endothelial", "macrophage": "macrophage",
    "unknown": "unknown",
}  # fmt: skip
MIXTURES = {
    "T": {"epithelial": 0.95, "macrophage": 0.05},
    "c": {"fibroblast": 0.6, "endothelial": 0.3, "cd8_t": 0.1},
    "S": {"fibroblast": 0.3, "cd8_t": 0.5, "dc": 0.1, "endothelial": 0.08, "unknown": 0.02},
    "B": {"b_cell": 0.85, "cd4_t": 0.15},
    "z": {"cd4_t": 0.9, "dc": 0.1},
}
DRAWING = """
SSSSSSSSSSSSSSSSSS
SzzzzSSSSSSSSSSSSS
SzBBzSSScccccccSSS
SzBBzSSScTTTTTcSSS
SzzzzSSScTTTTTcSSS
SSSSSSSScTTTTTcSSS
SSSSSSSScTTTTTcSSS
SSSSSSSScccccccSSS
SSSSSSSSSSSSSSSSSS
SSSSSSSSSSSSSSSSSS
"""
STROMA = "\n".join(["SSSSSSSS"] * 8)
TABLES = ("infiltration.tsv", "structures.tsv", "capsule.tsv", "proximity.tsv", "cells.parquet")


def write_spots(folder, name: str, drawing: str = DRAWING, *, seed: int = 1) -> pd.DataFrame:
    drawn = read_drawing(drawing, MIXTURES, seed=seed)
    types = drawn.cell_types
    near = graph.radius_graph(drawn.positions, 40)
    inside = regions.find_tumour_regions(near, (types == "epithelial").to_numpy())
    distance = regions.distance_to_boundary(drawn.positions, inside, 40)
    index = pd.Index([f"{name}:{i}" for i in range(len(types))])
    spots = storage.cell_table(
        index, x_um=drawn.positions[:, 0], y_um=drawn.positions[:, 1],
        lineage=types.map(LINEAGES).to_numpy(dtype=object), cell_type=types.to_numpy(dtype=object),
        region=regions.name_regions(inside, distance, 25), distance_to_boundary_um=distance,
    )  # fmt: skip
    storage.write_table(spots, folder / f"{name}_spots.parquet")
    return spots


def find(folder, name: str, *words: str, **settings) -> int:
    outputs = [word for t in TABLES for word in (f"--{t.split('.')[0]}", str(folder / f"{name}_{t}"))]
    start = ["step", "find-structures", "--spots", str(folder / f"{name}_spots.parquet")]
    return cli.main([*start, "--settings", json.dumps(settings), *outputs, *words])


def read(folder, name: str, table: str) -> pd.DataFrame:
    return storage.read_table(folder / f"{name}_{table}")


def test_a_section_with_everything_gets_its_tables(tmp_path):
    spots = write_spots(tmp_path, "s1")
    assert find(tmp_path, "s1") == 0
    found = read(tmp_path, "s1", "structures.tsv")
    assert found["kind"].tolist() == ["tls"]
    assert found[["x_um", "y_um"]].to_numpy()[0] == pytest.approx([150, 150], abs=20)
    # its middle lies 250 um left of the tumour, the capsule between them
    assert found["distance_to_boundary_um"].item() == pytest.approx(300, abs=40)
    capsule = read(tmp_path, "s1", "capsule.tsv").iloc[0]
    assert bool(capsule["capsule"]) is True
    assert capsule["immune_share_inside"] < 0.1
    assert capsule["immune_share_beyond"] > 0.3
    cells = read(tmp_path, "s1", "cells.parquet")
    assert cells["cell"].tolist() == spots["cell"].tolist()
    assert set(cells["structure_part"]) == {"core", "rim", ""}
    assert cells["in_tls"].sum() == (cells["structure"] == "1").sum() > 100
    profile = read(tmp_path, "s1", "infiltration.tsv")
    assert set(profile["level"]) == {"compartment", "lineage", "cell_type"}
    t_cells = profile[(profile["level"] == "lineage") & (profile["entity"] == "t_cell")].set_index("from_um")
    assert t_cells.loc[-40, "per_mm2"] < 200
    assert t_cells.loc[80, "per_mm2"] > 2000
    near = read(tmp_path, "s1", "proximity.tsv")
    # no state is called here: the cells it would be called among stand for it
    assert set(near["from"]) == {"cd8_t", "cd4_t", "monocyte", "neutrophil", "macrophage"}
    assert set(near["background"]) == {"all cells", "same region", "same lineage"}
    row = near.set_index(["from", "to", "background"]).loc[("macrophage", "tumour", "all cells")]
    assert row["z"] < -5
    assert near.loc[near["from"] == "monocyte", "note"].unique().tolist() == ["fewer than 5 cells of a group"]


def test_states_of_the_section_are_taken_where_they_are_given(tmp_path):
    spots = write_spots(tmp_path, "s1")
    called = ((spots["cell_type"] == "cd8_t") & (spots["x_um"] < 200)).astype(object)
    states = storage.cell_table(pd.Index(spots["cell"]), is_texp=called.to_numpy(), is_treg=None)
    storage.write_table(states, tmp_path / "states.parquet")
    assert find(tmp_path, "s1", "--states", str(tmp_path / "states.parquet")) == 0
    near = read(tmp_path, "s1", "proximity.tsv")
    assert {"texp", "cd4_t"} <= set(near["from"])
    assert "cd8_t" not in set(near["from"])
    row = near.set_index(["from", "to", "background"]).loc[("texp", "tumour", "same lineage")]
    assert row["n_from"] == called.sum()
    assert row["z"] > 5
    profile = read(tmp_path, "s1", "infiltration.tsv")
    state = profile[(profile["level"] == "state") & (profile["entity"] == "texp")]
    assert state.loc[state["from_um"] < 0, "n"].sum() == 0


def test_types_that_are_states_are_taken_without_calls(tmp_path):
    spots = write_spots(tmp_path, "s1")
    spots.loc[spots.index[spots["cell_type"] == "cd4_t"][:60], "cell_type"] = "treg"
    storage.write_table(spots, tmp_path / "s1_spots.parquet")
    assert find(tmp_path, "s1") == 0
    near = read(tmp_path, "s1", "proximity.tsv")
    assert "treg" in set(near["from"])
    assert near.loc[near["from"] == "treg", "n_from"].max() == 60


def test_a_section_without_a_tumour_has_no_boundary_and_says_so(tmp_path):
    write_spots(tmp_path, "s1", STROMA)
    assert find(tmp_path, "s1") == 0
    assert read(tmp_path, "s1", "infiltration.tsv").empty
    assert read(tmp_path, "s1", "structures.tsv").empty
    capsule = read(tmp_path, "s1", "capsule.tsv").iloc[0]
    assert pd.isna(capsule["capsule"])
    assert "no boundary" in capsule["note"]
    assert not read(tmp_path, "s1", "cells.parquet")["in_tls"].any()


def test_options_reach_the_methods(tmp_path):
    write_spots(tmp_path, "s1")
    assert find(tmp_path, "s1", min_b_cells=500, capsule_enrichment=20.0, bin_um=50.0) == 0
    assert read(tmp_path, "s1", "structures.tsv").empty
    assert not read(tmp_path, "s1", "capsule.tsv")["capsule"].item()
    assert sorted(read(tmp_path, "s1", "infiltration.tsv")["from_um"].unique())[:2] == [-200, -150]


def test_missing_types_and_columns(tmp_path, capsys):
    spots = write_spots(tmp_path, "s1")
    spots.loc[:9, ["lineage", "cell_type"]] = None
    storage.write_table(spots, tmp_path / "s1_spots.parquet")
    assert find(tmp_path, "s1") == 0
    storage.write_table(spots.drop(columns="region"), tmp_path / "s2_spots.parquet")
    assert find(tmp_path, "s2") == 2
    assert "region" in capsys.readouterr().err
    assert not (tmp_path / "s2_structures.tsv").exists()


def niches(folder, names, cells=None, **settings) -> int:
    words = ["--spots", *(str(folder / f"{name}_spots.parquet") for name in names)]
    for table in ("niches", "numbers", "shares"):
        words += [f"--{table}", str(folder / f"{table}.tsv")]
    words += ["--cells", *(str(folder / f"{name}_niches.parquet") for name in cells or names)]
    return cli.main(["step", "find-niches", "--settings", json.dumps(settings), *words])


def test_sections_share_their_niches(tmp_path):
    for seed, (name, drawing) in enumerate((("s1", DRAWING), ("s2", DRAWING), ("s3", STROMA))):
        write_spots(tmp_path, name, drawing, seed=seed)
    assert niches(tmp_path, ["s1", "s2", "s3"]) == 0
    found = storage.read_table(tmp_path / "niches.tsv")
    assert len(found) >= 3
    assert any("b_cell" in name for name in found["name"])
    assert any("epithelial" in name for name in found["name"])
    assert found["share"].sum() == pytest.approx(1)
    assert found[[c for c in found if c.startswith("share_")]].sum(axis=1).to_numpy() == pytest.approx(
        1, abs=1e-4
    )
    assert "share_unknown" not in found
    shares = storage.read_table(tmp_path / "shares.tsv")
    assert shares.groupby("section")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    tumour = int(found.loc[found["name"].str.contains("epithelial"), "niche"].iloc[0])
    by = shares.set_index(["section", "niche"])["share"]
    assert by["s1", tumour] > 0.08
    assert by["s3", tumour] < 0.01
    cells = storage.read_table(tmp_path / "s1_niches.parquet")
    spots = storage.read_table(tmp_path / "s1_spots.parquet")
    assert cells["cell"].tolist() == spots["cell"].tolist()
    deep = (spots["distance_to_boundary_um"] < -30).to_numpy()
    assert (cells.loc[deep, "niche"] == tumour).mean() > 0.95
    assert set(cells["niche_name"].dropna()) <= set(found["name"])


def test_sections_without_structure_have_no_niches(tmp_path):
    write_spots(tmp_path, "s1", STROMA)
    assert niches(tmp_path, ["s1"]) == 0
    assert storage.read_table(tmp_path / "niches.tsv").empty
    assert storage.read_table(tmp_path / "shares.tsv").empty
    numbers = storage.read_table(tmp_path / "numbers.tsv")
    assert numbers.loc[numbers["chosen"], "n_niches"].tolist() == [1]
    assert storage.read_table(tmp_path / "s1_niches.parquet")["niche"].isna().all()


def test_a_section_of_few_cells_has_none_and_the_others_theirs(tmp_path):
    write_spots(tmp_path, "s1")
    small = write_spots(tmp_path, "s2", "S").head(7)
    storage.write_table(small, tmp_path / "s2_spots.parquet")
    assert niches(tmp_path, ["s1", "s2"]) == 0
    assert storage.read_table(tmp_path / "s2_niches.parquet")["niche"].isna().all()
    shares = storage.read_table(tmp_path / "shares.tsv").set_index("section")
    assert np.isnan(shares.loc["s2", "share"]).all()
    assert (shares.loc["s2", "n_all"] == 7).all()


def test_one_table_for_each_section(tmp_path, capsys):
    write_spots(tmp_path, "s1")
    assert niches(tmp_path, ["s1"], cells=["s1", "s2"]) == 2
    assert "1 sections and 2 tables" in capsys.readouterr().err


def test_the_niches_do_not_depend_on_the_run(tmp_path):
    write_spots(tmp_path, "s1")
    assert niches(tmp_path, ["s1"]) == 0
    first = (tmp_path / "niches.tsv").read_text()
    assert niches(tmp_path, ["s1"]) == 0
    assert (tmp_path / "niches.tsv").read_text() == first
