from pathlib import Path
from typing import NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from stietime import names
from stietime.cli import main
from stietime.simulate.cohort import design, simulate_sample
from stietime.simulate.embedding_checks import batch_mixing, type_purity
from stietime.simulate.folder import sample_truth, section_truth
from stietime.simulate.section import simulate_section
from stietime.storage import read_table, write_cells, write_table

N_CELLS = 300
CALLS = [names.call_column(state) for state in names.STATES]


class Truth(NamedTuple):
    """Truth of two patients (eight samples) and one section, and the folder that holds their counts."""

    table: pd.DataFrame
    obs: pd.DataFrame
    section: pd.DataFrame
    folder: Path


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    tables, obs = [], []
    for sample in design(2):
        cells = simulate_sample(sample, N_CELLS, seed=1)
        tables.append(sample_truth(cells.obs, sample, 1))
        facts = {"sample": sample.name, "patient": sample.patient, "environment": sample.environment}
        facts |= {"timepoint": sample.timepoint, "batch": sample.batch}
        frame = cells.obs.add_prefix("source_").assign(**facts)
        obs.append(frame.set_index(names.cell_id(sample.name, "") + frame.index))
    section = simulate_section("excluded", 300, 1, name="s1_excluded").obs
    tables.append(section_truth(section, "s1_excluded", "p1"))
    facts = {"sample": "s1_excluded", "environment": "TIME", "timepoint": "before"}
    section = section.add_prefix("source_").assign(**facts)
    folder = tmp_path_factory.mktemp("counts")
    for frame in [*obs, section]:
        write_bare_counts(frame, folder / f"{frame['sample'].iloc[0]}.h5ad")
    return Truth(pd.concat(tables), pd.concat(obs), section, folder)


def write_bare_counts(obs, path):
    write_cells(ad.AnnData(X=np.zeros((len(obs), 1), dtype=np.int32), obs=obs), path)


def perfect_results(obs):
    """Quality, cells and embedding of a run that made no mistake."""
    keep = obs["source_true_kind"] == "cell"
    doublet = obs["source_true_kind"] == "doublet"
    reason = np.select([keep, doublet], ["kept", "doublet"], "high_mito")
    judged = {"keep": keep.array, "reason": reason, "is_doublet": doublet.array}
    kept = obs[keep]
    types = kept["source_true_cell_type"].replace("red_cell", "erythroid")
    found = {"cell": kept.index, "lineage": kept["source_true_lineage"].array, "cell_type": types.array}
    found |= {names.call_column(state): (kept["source_true_state"] == state).array for state in names.STATES}
    return (
        pd.DataFrame({"cell": obs.index, **judged}),
        pd.DataFrame(found),
        fabricated_embedding(kept, seed=1),
    )


def fabricated_embedding(kept, *, seed, merge=False):
    """Types far apart; batches apart in pca and mixed in harmony, which with `merge` merges types."""
    rng = np.random.default_rng(seed)
    codes = pd.get_dummies(kept["source_true_cell_type"]).to_numpy(dtype=float) * 10
    noise = rng.normal(size=(len(kept), codes.shape[1]))
    shift = (kept["batch"] == "batch2").to_numpy(dtype=float)[:, None] * 5
    pca, harmony = codes + noise + shift, (0 if merge else codes) + noise
    columns = {f"pca_{i + 1}": pca[:, i] for i in range(codes.shape[1])}
    columns |= {f"harmony_{i + 1}": harmony[:, i] for i in range(codes.shape[1])}
    return pd.DataFrame({"cell": kept.index, **columns})


def check(folder, truth, results, section_class="excluded", **options):
    """Write the results of a run, run the step on them, and return its table or its exit code."""
    quality, cells, embedding = results
    write_table(truth.table, folder / "truth.tsv")
    for name, part in truth.obs.groupby("sample"):
        write_table(quality[quality["cell"].isin(part.index)], folder / f"{name}.parquet")
    write_table(cells, folder / "cells.parquet")
    write_table(embedding, folder / "embedding.parquet")
    own = ["epithelial", "fibroblast", "pericyte", "endothelial"]
    n_immune = int((~truth.section["source_true_lineage"].isin(own)).sum())
    row = {"section": "s1_excluded", "class": "x", "class_phenotype": section_class, "n_immune": n_immune}
    write_table(pd.DataFrame([row]), folder / "architecture.tsv")
    return run(folder, truth, **options)


def run(folder, truth, *, sections=True):
    samples = truth.obs["sample"].unique()
    words = ["step", "check-simulation", "--truth", folder / "truth.tsv", "--counts"]
    words += [truth.folder / f"{name}.h5ad" for name in samples]
    words += ["--quality", *(folder / f"{name}.parquet" for name in samples)]
    words += ["--cells", folder / "cells.parquet", "--embedding", folder / "embedding.parquet"]
    if sections:
        words += ["--section-counts", truth.folder / "s1_excluded.h5ad"]
        words += ["--architecture", folder / "architecture.tsv"]
    output = folder / "planted.tsv"
    code = main([*map(str, words), "--output", str(output)])
    return read_table(output) if code == 0 else code


def missed(found):
    wrong = found[~found["met"]]
    return set(zip(wrong["check"], wrong["entity"], strict=True))


def row_of(found, check_name, entity, **where):
    rows = found[(found["check"] == check_name) & (found["entity"] == entity)]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_run_without_mistakes_meets_every_check(tmp_path, truth):
    found = check(tmp_path, truth, perfect_results(truth.obs))
    assert list(found.columns) == [
        *("check", "entity", "environment", "timepoint", "planted", "recovered", "n", "met", "note"),
    ]
    # what cells hold by chance may differ from what they were drawn with: fractions are looked at below
    exact = found[~found["check"].isin(["state_fraction", "direction_environment", "direction_timepoint"])]
    assert missed(exact) == set()
    assert {"batch_mixing", "purity", "survival", "dying_recall", "doublet_recall", "section_class"} <= set(
        exact["check"]
    )
    for check_name in ("lineage_accuracy", "cell_type_accuracy", "state_sensitivity", "dying_precision"):
        assert (pd.to_numeric(exact.loc[exact["check"] == check_name, "recovered"]) == 1).all()
    assert float(row_of(found, "red_cells_called_ter_cell", "ter_cell")["recovered"]) == 0


def test_fractions_and_directions_are_those_of_the_tables(tmp_path, truth):
    table, obs = truth.table, truth.obs
    found = check(tmp_path, truth, perfect_results(obs))
    treg = table[(table["entity"] == "treg") & (table["level"] == "state")]
    here = treg[(treg["environment"] == "TIME") & (treg["timepoint"] == "before")]
    row = row_of(found, "state_fraction", "treg", environment="TIME", timepoint="before")
    assert float(row["planted"]) == pytest.approx(here["planted_fraction"].mean())
    assert float(row["recovered"]) == pytest.approx(here["fraction"].mean(), abs=1e-5)
    assert row["n"] == 2
    wide = treg[treg["timepoint"] == "before"].pivot_table(
        index="patient", columns="environment", values="fraction"
    )
    row = row_of(found, "direction_environment", "treg", timepoint="before")
    assert float(row["recovered"]) == pytest.approx((wide["TIME"] - wide["STIE"]).mean(), abs=1e-5)
    assert row["environment"] == "TIME - STIE"
    assert row["met"]
    rows = found[found["check"].str.startswith("direction")]
    assert len(rows) == 20
    assert (
        rows["met"] == (np.sign(rows["planted"].astype(float)) == np.sign(rows["recovered"].astype(float)))
    ).all()


def test_a_state_that_is_called_in_the_wrong_environment_is_missed(tmp_path, truth):
    quality, cells, embedding = perfect_results(truth.obs)
    tumour = cells["cell"].str.contains("tumour")
    cd4 = cells["cell_type"] == "cd4_t"
    cells["is_treg"] = cd4 & ~tumour
    found = check(tmp_path, truth, (quality, cells, embedding))
    row = row_of(found, "direction_environment", "treg", timepoint="before")
    assert not row["met"]
    assert float(row["recovered"]) == -1
    assert "0 of 2 patients" in row["note"]
    assert {("state_false_calls", "treg"), ("state_sensitivity", "treg")} <= missed(found)
    assert ("state_sensitivity", "texp") not in missed(found)


def test_a_state_that_was_never_called_is_missed_not_left_out(tmp_path, truth):
    quality, cells, embedding = perfect_results(truth.obs)
    cells["is_texp"] = False
    cells.loc[cells["cell_type"] == "neutrophil", ["lineage", "cell_type"]] = "unknown"
    found = check(tmp_path, truth, (quality, cells, embedding))
    for state in ("texp", "pmn_mdsc"):
        rows = found[(found["entity"] == state) & found["check"].str.startswith("direction")]
        assert len(rows) == 4
        assert not rows["met"].any()
    assert row_of(found, "direction_environment", "pmn_mdsc", timepoint="before")["n"] == 0


def test_quality_that_drops_ter_cells_and_keeps_dying_cells_is_missed(tmp_path, truth):
    obs = truth.obs
    quality, cells, embedding = perfect_results(obs)
    quality = quality.set_index("cell")
    ter = obs.index[(obs["source_true_state"] == "ter_cell") & (obs["source_true_kind"] == "cell")]
    dying = obs.index[obs["source_true_kind"] == "dying"]
    quality.loc[ter, ["keep", "reason"]] = [False, "high_counts"]
    quality.loc[dying, ["keep", "reason"]] = [True, "kept"]
    types = {"lineage": "unknown", "cell_type": "unknown", **dict.fromkeys(CALLS, False)}
    added = pd.DataFrame({"cell": dying, **types})
    cells = pd.concat([cells[~cells["cell"].isin(ter)], added])
    found = check(tmp_path, truth, (quality.reset_index(), cells, embedding))
    assert {("survival", "ter_cell"), ("dying_recall", "dying"), ("dying_precision", "dying")} <= missed(
        found
    )
    assert float(row_of(found, "survival", "ter_cell")["recovered"]) == 0
    assert float(row_of(found, "survival", "neutrophil")["recovered"]) == 1


def test_red_cells_called_ter_cells_and_wrong_types_are_missed(tmp_path, truth):
    obs = truth.obs
    quality, cells, embedding = perfect_results(obs)
    true_type = obs["source_true_cell_type"].reindex(cells["cell"]).to_numpy()
    cells.loc[true_type == "red_cell", "is_ter_cell"] = True
    cells.loc[cells["lineage"] == "t_cell", ["lineage", "cell_type"]] = "nk"
    found = check(tmp_path, truth, (quality, cells, embedding))
    assert {("red_cells_called_ter_cell", "ter_cell"), ("lineage_accuracy", "all")} <= missed(found)
    share = (obs.loc[cells["cell"], "source_true_lineage"] != "t_cell").mean()
    assert float(row_of(found, "lineage_accuracy", "all")["recovered"]) == pytest.approx(share)
    assert float(row_of(found, "lineage_accuracy", "nk")["recovered"]) == 1


def test_a_finer_type_within_the_true_one_is_right(tmp_path, truth):
    quality, cells, embedding = perfect_results(truth.obs)
    cells.loc[cells["cell_type"] == "epithelial", "cell_type"] = "malignant_nsclc"
    cells.loc[cells["cell_type"] == "cdc1", "cell_type"] = "dc"
    found = check(tmp_path, truth, (quality, cells, embedding))
    n_wrong = int((cells["cell_type"] == "dc").sum())
    assert n_wrong
    recovered = float(row_of(found, "cell_type_accuracy", "all")["recovered"])
    assert recovered == pytest.approx(1 - n_wrong / len(cells))


def test_harmony_that_merges_types_is_missed(tmp_path, truth):
    obs = truth.obs
    quality, cells, _ = perfect_results(obs)
    merged = fabricated_embedding(obs[obs["source_true_kind"] == "cell"], seed=1, merge=True)
    found = check(tmp_path, truth, (quality, cells, merged))
    assert {("purity", "lineage"), ("purity", "cell_type")} <= missed(found)
    assert row_of(found, "batch_mixing", "harmony")["met"]


def test_a_wrong_section_class_is_missed(tmp_path, truth):
    found = check(tmp_path, truth, perfect_results(truth.obs), section_class="desert")
    row = row_of(found, "section_class", "s1_excluded")
    assert (row["planted"], row["recovered"], bool(row["met"])) == ("excluded", "desert", False)


def test_without_harmony_and_sections_their_checks_are_left_out(tmp_path, truth):
    quality, cells, embedding = perfect_results(truth.obs)
    embedding = embedding.drop(columns=[name for name in embedding if name.startswith("harmony")])
    found = check(tmp_path, truth, (quality, cells, embedding), sections=False)
    assert not set(found["check"]) & {"batch_mixing", "purity", "section_class"}
    assert "survival" in set(found["check"])


@pytest.mark.parametrize("mistake", ["cells", "counts", "truth", "embedding", "section"])
def test_files_that_do_not_fit_end_with_2(tmp_path, truth, capsys, mistake):
    quality, cells, embedding = perfect_results(truth.obs)
    if mistake == "cells":
        cells = cells.iloc[1:]
    elif mistake == "embedding":
        embedding = embedding.iloc[1:]
    elif mistake == "truth":
        truth = truth._replace(table=truth.table.drop(columns="planted_fraction"))
    elif mistake == "section":
        truth = truth._replace(table=truth.table[truth.table["level"] != "section_class"])
    else:
        for name, part in truth.obs.drop(columns="source_true_lineage").groupby("sample"):
            write_bare_counts(part, tmp_path / f"{name}.h5ad")
        truth = truth._replace(folder=tmp_path)
    assert check(tmp_path, truth, (quality, cells, embedding)) == 2
    words = {
        "cells": "not of the simulated cells",
        "counts": "source_true_lineage",
        "truth": "planted_fraction",
        "embedding": "lacks cells",
        "section": "section s1_excluded is missing",
    }
    assert words[mistake] in capsys.readouterr().err
    assert not (tmp_path / "planted.tsv").exists()


def test_mixing_is_0_apart_and_about_1_when_shuffled():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(600, 5))
    batch = pd.Series(np.repeat(["a", "b"], 300))
    kind = pd.Series(["t"] * 600)
    apart = points + (batch == "b").to_numpy()[:, None] * 50
    assert batch_mixing(apart, batch, kind) == (pytest.approx(0), 600)
    mixed, n = batch_mixing(points, batch, kind)
    # 30 neighbours of a fair mix: E[sum p^2] = (1 + 1 / 30) / 2
    assert mixed == pytest.approx(2 / (1 + 1 / 30) - 1, abs=0.02)
    assert n == 600
    unmeasured, none = batch_mixing(points, pd.Series(["a"] * 600), kind)
    assert np.isnan(unmeasured)
    assert none == 0


def test_purity_counts_every_type_alike():
    rng = np.random.default_rng(2)
    kind = pd.Series(["many"] * 900 + ["few"] * 100)
    points = rng.normal(size=(1000, 4))
    assert type_purity(points + (kind == "few").to_numpy()[:, None] * 50, kind) == pytest.approx(1)
    # without any separation a type's share among neighbours is its share of the cells
    assert type_purity(points, kind) == pytest.approx((0.9 + 0.1) / 2, abs=0.02)
