"""The two steps on sections, run as typed."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from stietime import cli, storage

TYPES = {"epithelial": "epithelial", "cd8_t": "t_cell", "fibroblast": "fibroblast", "unknown": "unknown"}


def write_section(folder, name: str, kind: str, *, n: int = 900, published: str | None = None) -> None:
    """A square of 300 um: a round tumour, with immune cells in it, around it, or nowhere."""
    rng = np.random.default_rng(len(name))
    positions = rng.random((n, 2)) * 300
    inside = np.linalg.norm(positions - 150, axis=1) < 90
    types = np.where(inside, "epithelial", "fibroblast").astype(object)
    at = {"infiltrated": inside, "excluded": ~inside, "desert": np.zeros(n, dtype=bool)}[kind]
    types[at & (rng.random(n) < 0.4)] = "cd8_t"
    types[:3] = "unknown"
    positions[3] = (900.0, 900.0)
    index = pd.Index([f"{name}:{i}" for i in range(n)], dtype=object)
    obs = pd.DataFrame({"sample": name, "patient": f"patient_{name}", "environment": "TIME"}, index=index)
    obs = obs.assign(note="from the sheet", source_area=np.arange(n), given_cell_type="cd8_t", response="")
    if published is not None:
        obs["published_class"] = published
    cells = ad.AnnData(csr_matrix((n, 0), dtype=np.int32), obs=obs)
    cells.obsm["spatial"] = positions
    storage.write_cells(cells, folder / f"{name}.h5ad")
    table = storage.cell_table(index, lineage=[TYPES[t] for t in types], cell_type=types)
    storage.write_table(table.assign(cell_type_confidence=1.0), folder / f"{name}.parquet")


def find(folder, name: str, **settings) -> int:
    words = ["step", "find-neighbourhoods", "--settings", json.dumps(settings)]
    words += ["--counts", str(folder / f"{name}.h5ad"), "--cell-types", str(folder / f"{name}.parquet")]
    for output in ("neighbourhoods.tsv", "co_occurrence.tsv", "architecture.tsv", "spots.parquet"):
        option = "--" + output.split(".")[0].replace("_", "-")
        words += [option, str(folder / f"{name}_{output}")]
    return cli.main(words)


def test_a_section_gets_its_tables(tmp_path):
    write_section(tmp_path, "s1", "excluded")
    assert find(tmp_path, "s1", n_distances=4) == 0
    enriched = storage.read_table(tmp_path / "s1_neighbourhoods.tsv")
    pairs = set(zip(enriched["type_a"], enriched["type_b"], strict=True))
    assert len(pairs) == len(enriched) == 10
    assert all(a <= b for a, b in pairs)
    # tumour and immune cells avoid each other: planted
    assert enriched.set_index(["type_a", "type_b"]).loc[("cd8_t", "epithelial"), "z"] < -5
    together = storage.read_table(tmp_path / "s1_co_occurrence.tsv")
    assert sorted(together["distance_um"].unique()) == [50, 100, 150, 200]
    spots = storage.read_table(tmp_path / "s1_spots.parquet")
    assert len(spots) == 900
    assert set(spots["region"]) == {"tumour", "boundary", "stroma"}
    row = storage.read_table(tmp_path / "s1_architecture.tsv").iloc[0]
    assert row["section"] == "s1"
    assert (row["class"], row["class_phenotype"]) == ("excluded", "excluded")
    assert row["n_isolated"] == 1
    assert row["n_cells"] == 900
    assert row["note"] == "3 of 900 cells have no known type"


def test_the_row_carries_the_sheet_and_nothing_of_the_cells(tmp_path):
    write_section(tmp_path, "s1", "desert", published="cold")
    assert find(tmp_path, "s1") == 0
    row = storage.read_table(tmp_path / "s1_architecture.tsv").iloc[0]
    assert (row["patient"], row["environment"], row["published_class"]) == ("patient_s1", "TIME", "cold")
    assert row["sheet_note"] == "from the sheet"
    assert np.isnan(row["response"])
    assert not {"source_area", "given_cell_type", "sample", "lineage"} & set(row.index)
    assert np.isnan(row["mixing_score"])
    assert "mixing score has no value" in row["note"]


def test_scheme_chooses_the_vocabulary_of_class(tmp_path):
    write_section(tmp_path, "s1", "infiltrated")
    assert find(tmp_path, "s1", class_scheme="keren") == 0
    row = storage.read_table(tmp_path / "s1_architecture.tsv").iloc[0]
    assert row["class"] == row["class_keren"] == "mixed"
    assert row["class_phenotype"] == "infiltrated"
    assert row["confidence"] == row["confidence_keren"] > 0.9


def test_sections_stand_side_by_side_with_published_classes(tmp_path):
    for name, kind, published in (
        ("s1", "infiltrated", "mixed"),
        ("s22", "excluded", "excluded"),
        ("s333", "desert", "mixed"),
        ("s4444", "desert", ""),
    ):
        write_section(tmp_path, name, kind, published=published)
        assert find(tmp_path, name) == 0
    tables = [str(tmp_path / f"{name}_architecture.tsv") for name in ("s1", "s22", "s333", "s4444")]
    output = tmp_path / "sections.tsv"
    assert cli.main(["step", "compare-sections", "--architecture", *tables, "--output", str(output)]) == 0
    sections = storage.read_table(output)
    assert sections["section"].tolist() == ["s1", "s22", "s333", "s4444"]
    assert sections["class"].tolist() == ["infiltrated", "excluded", "desert", "desert"]
    assert sections["agrees"].tolist()[:3] == [True, True, False]
    assert pd.isna(sections["agrees"].iloc[3])


def test_sections_without_published_classes_have_no_agreement(tmp_path):
    write_section(tmp_path, "s1", "excluded")
    find(tmp_path, "s1")
    output = tmp_path / "sections.tsv"
    words = ["--architecture", str(tmp_path / "s1_architecture.tsv"), "--output", str(output)]
    assert cli.main(["step", "compare-sections", *words]) == 0
    assert "agrees" not in storage.read_table(output).columns


def test_a_section_without_positions_is_bad_input(tmp_path, capsys):
    write_section(tmp_path, "s1", "excluded")
    cells = ad.read_h5ad(tmp_path / "s1.h5ad")
    del cells.obsm["spatial"]
    storage.write_cells(cells, tmp_path / "s1.h5ad")
    assert find(tmp_path, "s1") == 2
    assert "no positions" in capsys.readouterr().err
    assert not (tmp_path / "s1_architecture.tsv").exists()


@pytest.mark.parametrize("column", ["lineage", "cell_type"])
def test_cell_types_without_a_needed_column_are_bad_input(tmp_path, capsys, column):
    write_section(tmp_path, "s1", "excluded")
    table = pd.read_parquet(tmp_path / "s1.parquet").drop(columns=column)
    storage.write_table(table, tmp_path / "s1.parquet")
    assert find(tmp_path, "s1") == 2
    assert column in capsys.readouterr().err


def test_sheet_cells_that_are_missing_do_not_stop_the_section(tmp_path):
    write_section(tmp_path, "s1", "excluded")
    table = pd.read_parquet(tmp_path / "s1.parquet")
    table.loc[:9, "cell_type"] = None
    table.loc[:9, "lineage"] = None
    storage.write_table(table, tmp_path / "s1.parquet")
    assert find(tmp_path, "s1") == 0
    assert "10 of 900 cells" in storage.read_table(tmp_path / "s1_architecture.tsv")["note"].item()


@pytest.mark.parametrize(
    ("kind", "keren"), [("infiltrated", "mixed"), ("excluded", "compartmentalized"), ("desert", "cold")]
)
def test_simulated_sections_get_their_planted_class(tmp_path, kind, keren):
    from stietime.simulate.section import simulate_section

    cells = simulate_section(kind, 800, seed=3, name="s1")
    cells.obs_names = [f"s1:{barcode}" for barcode in cells.obs_names]
    table = storage.cell_table(
        cells.obs_names,
        lineage=cells.obs["true_lineage"].to_numpy(dtype=object),
        cell_type=cells.obs["true_cell_type"].to_numpy(dtype=object),
    )
    storage.write_table(table, tmp_path / "s1.parquet")
    cells.obsm["spatial"] = cells.obs[["x", "y"]].to_numpy(dtype=float)
    region = cells.obs["true_region"].to_numpy(dtype=object)
    cells.obs = pd.DataFrame({"sample": "s1"}, index=cells.obs_names)
    storage.write_cells(cells, tmp_path / "s1.h5ad")
    assert find(tmp_path, "s1") == 0
    row = storage.read_table(tmp_path / "s1_architecture.tsv").iloc[0]
    assert (row["class_phenotype"], row["class_keren"]) == (kind, keren)
    assert row["confidence"] > 0.9
    spots = storage.read_table(tmp_path / "s1_spots.parquet")
    assert ((spots["distance_to_boundary_um"] < 0).to_numpy() == (region == "tumour")).mean() > 0.85


def measure(folder, name: str, **settings) -> int:
    words = ["step", "measure-distances", "--settings", json.dumps(settings)]
    words += ["--counts", str(folder / f"{name}.h5ad"), "--cell-types", str(folder / f"{name}.parquet")]
    words += ["--cross-k", str(folder / "cross_k.tsv"), "--nearest", str(folder / "nearest.tsv")]
    return cli.main(words)


def test_distances_between_types_are_measured(tmp_path):
    write_section(tmp_path, "s1", "excluded")
    assert measure(tmp_path, "s1", n_distances=4) == 0
    profiles = storage.read_table(tmp_path / "cross_k.tsv")
    assert len(profiles) == 10 * 4
    apart = profiles.set_index(["type_a", "type_b", "distance_um"]).loc[("cd8_t", "epithelial", 50)]
    assert apart["log2_ratio"] < apart["log2_null_low"] < 0
    near = storage.read_table(tmp_path / "nearest.tsv").set_index(["type", "nearest_type"])
    assert len(near) == 16
    assert near.loc[("cd8_t", "epithelial"), "closer"] < 0.5
    assert near.loc[("cd8_t", "fibroblast"), "median_um"] < near.loc[("cd8_t", "epithelial"), "median_um"]
    # pairs at the distances of both tables are the same
    assert find(tmp_path, "s1", n_distances=4) == 0
    together = storage.read_table(tmp_path / "s1_co_occurrence.tsv")
    assert together["n_pairs"].tolist() == profiles["n_pairs"].tolist()


@pytest.mark.parametrize(("condition", "filled"), [("region", True), ("density", True), ("none", False)])
def test_enrichment_is_conditioned_as_the_settings_say(tmp_path, condition, filled):
    write_section(tmp_path, "s1", "excluded")
    assert find(tmp_path, "s1", condition_on=condition, n_draws=200) == 0
    table = storage.read_table(tmp_path / "s1_neighbourhoods.tsv")
    assert table["p_within"].notna().any() == filled
    if condition == "region":
        # t cells lie where the tumour is not: within the regions they avoid it much less
        row = table.set_index(["type_a", "type_b"]).loc[("cd8_t", "epithelial")]
        assert abs(row["z_within"]) < abs(row["z"]) / 2


@pytest.mark.parametrize("kind", ["nearest", "delaunay"])
def test_other_graphs_and_fields(tmp_path, kind):
    write_section(tmp_path, "s1", "excluded")
    cells = ad.read_h5ad(tmp_path / "s1.h5ad")
    cells.obs["source_fov"] = np.where(cells.obsm["spatial"][:, 0] < 150, "1", "2")
    storage.write_cells(cells, tmp_path / "s1.h5ad")
    observed = []
    for field in ("", "fov"):
        assert find(tmp_path, "s1", graph=kind, field_column=field, n_draws=0) == 0
        table = storage.read_table(tmp_path / "s1_neighbourhoods.tsv")
        assert (table["radius_um"] == 50).all()
        observed.append(table["observed"].sum())
    assert min(observed) > 0
    assert observed[0] != observed[1]
    assert measure(tmp_path, "s1", field_column="fov") == 0


def test_a_field_column_that_is_not_there_is_bad_input(tmp_path, capsys):
    write_section(tmp_path, "s1", "excluded")
    assert measure(tmp_path, "s1", field_column="fov") == 2
    assert "'fov'" in capsys.readouterr().err


def test_sections_are_compared_between_patients(tmp_path):
    """Six patients, before and after: all become infiltrated."""
    paths = []
    for i in range(6):
        for time, kind in (("before", "excluded"), ("after", "infiltrated")):
            name = f"p{i}_{time}"
            write_section(tmp_path, name, kind, n=400 + 20 * i)  # patients differ
            folder = tmp_path / "sections" / name
            folder.mkdir(parents=True)
            assert find(tmp_path, name, n_distances=4) == 0
            for output in ("neighbourhoods.tsv", "co_occurrence.tsv", "architecture.tsv"):
                table = storage.read_table(tmp_path / f"{name}_{output}")
                if output == "architecture.tsv":
                    table = table.assign(patient=f"p{i}", timepoint=time, response="")
                storage.write_table(table, folder / output)
            paths.append(str(folder / "architecture.tsv"))
    outputs = ["--output", str(tmp_path / "all.tsv"), "--contrasts", str(tmp_path / "contrasts.tsv")]
    assert cli.main(["step", "compare-sections", "--architecture", *paths, *outputs]) == 0
    table = storage.read_table(tmp_path / "contrasts.tsv").set_index(["contrast", "kind", "entity"])
    row = table.loc[("after_vs_before:TIME", "architecture", "infiltration")]
    assert (row["n_patients"], row["status"]) == (6, "tested")
    assert row["estimate"] > 0.2
    assert row["p_exact"] == pytest.approx(2 / 2**6)
    assert table.loc[("after_vs_before:TIME", "enrichment", "cd8_t - epithelial"), "estimate"] > 1
    at = table.loc[("after_vs_before:TIME", "co_occurrence", "cd8_t - epithelial at 50 um")]
    assert at["estimate"] > 0
