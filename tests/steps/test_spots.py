"""Sections of spots through their three steps, as typed, and in the plan of a run."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import cli, names, storage
from stietime.plan import Plan

LINEAGES = ("epithelial", "t_cell", "fibroblast")
N_GENES = 120


def planted():
    random = np.random.default_rng(1)
    profiles = np.tile(random.gamma(1, 1, N_GENES), (3, 1))
    for kind in range(3):
        profiles[kind, kind * 20 : kind * 20 + 20] += 8
    return random, profiles / profiles.sum(axis=1, keepdims=True)


def write(path, counts, sample, patient, **obsm):
    genes = [f"G{i}" for i in range(counts.shape[1])]
    index = pd.Index([f"{sample}:{i}" for i in range(len(counts))], dtype=object)
    obs = pd.DataFrame({"sample": sample, "patient": patient, "species": "human"}, index=index)
    cells = ad.AnnData(sparse.csr_matrix(counts.astype(np.int32)), obs=obs, var=pd.DataFrame(index=genes))
    for slot, values in obsm.items():
        cells.obsm[slot] = values
    return cells, index


def run(*words) -> int:
    return cli.main(["step", *map(str, words)])


@pytest.fixture
def folder(tmp_path):
    """Cells of two patients, and a section of 144 spots whose left half is tumour."""
    random, profiles = planted()
    kinds, tables = np.repeat([0, 1, 2], 20), []
    for patient in ("p1", "p2"):
        counts = random.poisson(profiles[kinds] * np.array([3000, 1000, 2000])[kinds][:, None])
        cells, index = write(tmp_path, counts, f"cells_{patient}", patient)
        storage.write_cells(cells, tmp_path / f"{patient}.h5ad")
        lineage = np.array(LINEAGES, dtype=object)[kinds]
        lineage[0] = names.UNKNOWN
        tables.append(storage.cell_table(index[1:], lineage=lineage[1:]))
    storage.write_table(pd.concat(tables, ignore_index=True), tmp_path / "types.parquet")
    positions = np.array([[x * 100.0, y * 100.0] for x in range(12) for y in range(12)])
    left = positions[:, 0] < 600
    shares = np.where(left[:, None], [0.8, 0.1, 0.1], [0.05, 0.05, 0.9])
    counts = random.poisson(shares @ profiles * 2000)
    counts[143] = 0
    section, index = write(tmp_path, counts, "s1", "p1", spatial=positions)
    section.uns["ingest"] = {"resolution": "spot", "spot_pitch_um": 100.0, "spot_diameter_um": 55.0}
    storage.write_cells(section, tmp_path / "section.h5ad")
    keep = np.arange(144) < 143
    reasons = np.where(keep, "kept", "empty")
    storage.write_table(storage.cell_table(index, keep=keep, reason=reasons), tmp_path / "quality.parquet")
    return tmp_path


def deconvolve(folder, *further) -> int:
    return run(
        *("deconvolve-spots", "--counts", folder / "section.h5ad", "--quality", folder / "quality.parquet"),
        *("--cell-types", folder / "out_types.parquet", "--proportions", folder / "parts.parquet", *further),
    )


def make_profiles(folder) -> int:
    return run(
        *("make-profiles", "--counts", folder / "p1.h5ad", folder / "p2.h5ad", "--cell-types"),
        *(folder / "types.parquet", "--output", folder / "profiles.parquet"),
    )


def test_profiles_are_summed_by_type_and_patient(folder):
    assert make_profiles(folder) == 0
    table = storage.read_table(folder / "profiles.parquet")
    groups = table.drop_duplicates(["cell_type", "patient"]).set_index(["cell_type", "patient"])
    assert len(groups) == 6
    assert groups["n_cells"].loc[("epithelial", "p1")] == 19  # one is unknown
    assert groups["n_cells"].sum() == 118
    sums = table.groupby(["cell_type", "patient"])["counts"].sum()
    pd.testing.assert_series_equal(sums, groups["n_counts"].sort_index(), check_names=False)


def test_spots_get_shares_regions_and_tables(folder):
    assert make_profiles(folder) == 0
    assert deconvolve(folder, "--profiles", folder / "profiles.parquet") == 0
    parts = storage.read_table(folder / "parts.parquet")
    assert parts.drop(columns="cell").iloc[143].isna().all()
    left = np.arange(144) < 72
    kept = np.arange(144) < 143
    assert parts["share_epithelial"][left].mean() == pytest.approx(0.8, abs=0.03)
    assert parts["share_fibroblast"][~left & kept].mean() == pytest.approx(0.9, abs=0.03)
    # a T cell has a third of the RNA of a tumour cell: more of the cells than of the RNA
    assert parts["cells_t_cell"][left].mean() > 1.5 * parts["share_t_cell"][left].mean()
    types = storage.read_table(folder / "out_types.parquet")
    assert set(types["lineage"][left]) == {"epithelial"}
    assert types["cell_type"][143] == "unknown"
    outputs = {"pairs": "tsv", "spots": "parquet", "architecture": "tsv", "scores": "parquet", "genes": "tsv"}
    outputs["hotspots"] = "tsv"
    words = [word for name, end in outputs.items() for word in (f"--{name}", folder / f"{name}.{end}")]
    words += ["--proportions", folder / "parts.parquet"]
    assert run("describe-spots", "--counts", folder / "section.h5ad", *words) == 0
    spots = storage.read_table(folder / "spots.parquet")
    assert len(spots) == 143
    assert (spots["region_inside"] == left[:143]).mean() > 0.95
    row = storage.read_table(folder / "architecture.tsv").iloc[0]
    assert (row["section"], row["class"], row["n_cells"]) == ("s1", "infiltrated", 143)
    # neither B cells nor the genes of the signature are there
    assert np.isnan(row["n_hotspots"])
    assert "lymphoid hot spots not testable" in row["note"]
    assert storage.read_table(folder / "hotspots.tsv").empty
    pairs = storage.read_table(folder / "pairs.tsv").set_index(["type_a", "type_b"])
    assert pairs.loc[("epithelial", "fibroblast"), "z"] < -10
    genes = storage.read_table(folder / "genes.tsv")
    assert set(genes["gene"].head(10)) <= {f"G{i}" for i in [*range(20), *range(40, 60)]}


def test_a_section_of_cells_is_refused(folder, capsys):
    section = ad.read_h5ad(folder / "section.h5ad")
    section.uns["ingest"] = {"resolution": "cell"}
    storage.write_cells(section, folder / "section.h5ad")
    outputs = ("pairs", "spots", "architecture", "scores", "hotspots", "genes")
    words = [word for name in outputs for word in (f"--{name}", folder / name)]
    words += ["--proportions", folder / "parts.parquet"]
    assert run("describe-spots", "--counts", folder / "section.h5ad", *words) == 2
    assert "how far apart its spots are" in capsys.readouterr().err


def test_without_cells_and_markers_it_says_so(folder, capsys):
    assert deconvolve(folder) == 2
    assert "0 types have a profile" in capsys.readouterr().err


def sheet(tmp_path, **spot):
    columns = ["sample", "patient", "environment", "modality", "format", "path", *spot]
    (tmp_path / "a.h5ad").touch()
    rows = [["v1", "p1", "TIME", "section", "h5ad", "a.h5ad", *spot.values()]]
    rows += [["x1", "p1", "TIME", "section", "h5ad", "a.h5ad", *("" for _ in spot)]]
    lines = ["\t".join(map(str, row)) for row in [columns, *rows]]
    (tmp_path / "samples.tsv").write_text("\n".join(lines) + "\n")
    return {"samples": str(tmp_path / "samples.tsv"), "results_dir": "out"}


def test_the_plan_tells_spots_from_cells(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = Plan.from_config(sheet(tmp_path, resolution="spot", spot_pitch_um="110"))
    assert plan.spot_sections == ["v1"]
    assert plan.samples[0].pitch_um == 110
    assert plan.samples[0].diameter_um == 55
    assert "out/sections/v1/proportions.parquet" in plan.tables
    assert "out/sections/v1/neighbourhoods.tsv" not in plan.tables
    assert "out/sections/x1/neighbourhoods.tsv" in plan.tables
    assert "out/sections/x1/proportions.parquet" not in plan.tables
    # the section of cells gives the profiles
    assert plan.profiles == ["out/cohort/type_profiles.parquet"]
    assert plan.profiled["counts"] == ["out/sections/x1/counts.h5ad"]
    assert "spot_pitch_um" not in plan.samples[0].carried()


def test_a_wrong_pitch_is_told(tmp_path, monkeypatch):
    from stietime.errors import InputError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="spot_pitch_um is '0'"):
        Plan.from_config(sheet(tmp_path, resolution="spot", spot_pitch_um="0"))


@pytest.mark.data
def test_jefworks_tumour_by_its_own_xenium_cells(data_dir, tmp_path):
    where = data_dir / "jefworks_breast_visium_xenium"
    for kind, resolution in (("xenium", "cell"), ("visium", "spot")):
        row = {"sample": kind, "patient": "p1", "environment": "TIME", "modality": "section"}
        row |= {"format": "h5ad", "path": str(where / f"breast_{kind}.h5ad"), "resolution": resolution}
        words = ["--section", json.dumps(row), "--settings", json.dumps({"um_per_unit": 5.93})]
        assert run("ingest-section", *words, "--output", tmp_path / f"{kind}.h5ad") == 0
    types, profiles = tmp_path / "types.parquet", tmp_path / "profiles.parquet"
    assert run("map-cells", "--counts", tmp_path / "xenium.h5ad", "--output", types) == 0
    words = ["--counts", tmp_path / "xenium.h5ad", "--cell-types", types, "--output", profiles]
    assert run("make-profiles", *words) == 0
    parts = tmp_path / "parts.parquet"
    words = ["--counts", tmp_path / "visium.h5ad", "--profiles", profiles, "--proportions", parts]
    assert run("deconvolve-spots", *words, "--cell-types", tmp_path / "dominant.parquet") == 0
    table = storage.read_table(parts)
    section = ad.read_h5ad(tmp_path / "visium.h5ad")
    assert section.uns["ingest"]["spot_pitch_um"] == 100
    keratin = np.log1p(section[:, ["KRT8", "KRT7"]].X.toarray().sum(axis=1))
    assert np.corrcoef(table["share_epithelial"], keratin)[0, 1] > 0.5
    assert table.filter(regex="^share_").sum(axis=1).round(6).eq(1).all()
