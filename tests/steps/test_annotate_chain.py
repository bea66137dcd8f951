"""The steps annotate, score-states, collect-cells and map-cells, called as on the command line."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import cli, names, storage
from stietime.cells.states.likeness import agreement
from stietime.resources import read_markers
from stietime.simulate.cohort import Sample, simulate_sample

SAMPLES = [
    Sample(patient, environment, "before") for patient in ("p1", "p2") for environment in ("STIE", "TIME")
]
N_CELLS = 450
SET_IDS = read_markers()["set_id"].unique()


def step(name, *arguments, settings=None):
    words = ["step", name, *map(str, arguments)]
    return cli.main([*words, "--settings", json.dumps(settings)] if settings else words)


def write_sample(folder, sample):
    """Counts as after ingest, quality that drops dying cells and doublets, and clusters by the true type."""
    cells = simulate_sample(sample, N_CELLS, seed=2)
    cells.obs_names = [f"{sample.name}:{barcode}" for barcode in cells.obs_names]
    truth = cells.obs.copy()
    cells.obs = truth.add_prefix("source_")
    columns = {"sample": sample.name, "patient": sample.patient, "environment": sample.environment}
    for name, value in {**columns, "species": "human", "timepoint": "before", "sex": "f"}.items():
        cells.obs[name] = value
    cells.obs["given_cell_type"] = truth["true_cell_type"].replace("red_cell", "erythroid").to_numpy()
    keep = (truth["true_kind"] == "cell").to_numpy()
    quality = storage.cell_table(cells.obs_names, keep=keep, reason=np.where(keep, "kept", "doublet"))
    storage.write_cells(cells, folder / f"{sample.name}.h5ad")
    storage.write_table(quality, folder / f"{sample.name}.parquet")
    clusters = truth["true_lineage"].astype(str).to_numpy()[keep]
    return storage.cell_table(cells.obs_names[keep], cluster=clusters, leiden_1=clusters)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A cohort on which all three steps ran once."""
    folder = tmp_path_factory.mktemp("cohort")
    clusters = [write_sample(folder, sample) for sample in SAMPLES]
    storage.write_table(pd.concat(clusters), folder / "clusters.parquet")
    assert annotate(folder) == 0
    assert score(folder) == 0
    assert collect(folder) == 0
    return folder


def inputs(folder, samples=SAMPLES):
    counts = [folder / f"{sample.name}.h5ad" for sample in samples]
    return "--counts", *counts, "--quality", *(path.with_suffix(".parquet") for path in counts)


def annotate(folder, output="cell_types.parquet", settings=None, samples=SAMPLES):
    clusters = ("--clusters", folder / "clusters.parquet")
    return step(
        "annotate", *inputs(folder, samples), *clusters, "--output", folder / output, settings=settings
    )


def state_outputs(path):
    suffixes = (".tsv", ".genes.tsv", ".examples.tsv")
    return "--output", path, "--tables", *(path.with_suffix(suffix) for suffix in suffixes)


def score(folder, types="cell_types.parquet", output="states.parquet", settings=None, samples=SAMPLES):
    outputs = state_outputs(folder / output)
    types = ("--cell-types", folder / types)
    return step("score-states", *inputs(folder, samples), *types, *outputs, settings=settings)


def collect(
    folder,
    output="cells.parquet",
    states="states.parquet",
    samples=SAMPLES,
    clusters="clusters.parquet",
):
    counts = [folder / f"{sample.name}.h5ad" for sample in samples]
    tables = ("--clusters", folder / clusters, "--cell-types", folder / "cell_types.parquet")
    return step(
        "collect-cells",
        *("--counts", *counts, *tables, "--states", folder / states, "--output", folder / output),
    )


def truth_of(folder):
    frames = [ad.read_h5ad(folder / f"{sample.name}.h5ad", backed="r").obs for sample in SAMPLES]
    return pd.concat(frames)


def test_cell_types_of_the_kept_cells(cohort):
    types = storage.read_table(cohort / "cell_types.parquet").set_index("cell")
    truth = truth_of(cohort)
    kept = truth.index[truth["source_true_kind"] == "cell"]
    assert types.index.tolist() == kept.tolist()
    assert list(types) == [
        *("lineage", "lineage_confidence", "cell_type", "cell_type_confidence", "runner_up", "evidence")
    ]
    assert (types["lineage_confidence"] >= types["cell_type_confidence"] - 1e-9)[
        types["lineage"] != "unknown"
    ].all()
    assert (types["lineage"] == truth.loc[kept, "source_true_lineage"]).mean() > 0.99


def test_scores_and_calls(cohort):
    states = storage.read_table(cohort / "states.parquet")
    scores = [column for column in states if column.startswith("score_")]
    assert len(scores) == 143
    assert states[scores].abs().max().max() <= 1
    assert states[scores].notna().all().all()
    calls = [names.call_column(state) for state in names.STATES]
    assert all(states[column].notna().all() for column in calls)
    truth = truth_of(cohort).loc[states["cell"], "source_true_state"].astype(str).to_numpy()
    for state in names.STATES:
        called = states[names.call_column(state)]
        assert called[truth == state].mean() > 0.35, state
        assert called[truth != state].mean() < 0.02, state
    types = storage.read_table(cohort / "cell_types.parquet")
    assert set(types.loc[states["is_ter_cell"], "lineage"]) == {"erythroid"}
    assert set(types.loc[states["is_texp"], "cell_type"]) == {"cd8_t"}


def states_of(cohort, output, samples, **settings):
    """Score some samples, whose types are taken out of those of the cohort."""
    types = storage.read_table(cohort / "cell_types.parquet")
    of_samples = types["cell"].str.split(":").str[0].isin([sample.name for sample in samples])
    storage.write_table(types[of_samples], cohort / f"types_{output}")
    assert score(cohort, f"types_{output}", output, settings=settings, samples=samples) == 0
    return storage.read_table(cohort / output).set_index("cell")


@pytest.mark.parametrize("method", ["ucell", "aucell", "mean_difference"])
def test_scores_do_not_change_when_samples_are_added(cohort, method):
    options = {"score_method": method, "aucell_share": 0.1}
    all_samples = states_of(cohort, f"all_{method}.parquet", SAMPLES, **options)
    two = states_of(cohort, f"two_{method}.parquet", SAMPLES[:2][::-1], **options)
    scores = [column for column in two if column.startswith("score_")]
    assert len(scores) == 143
    pd.testing.assert_frame_equal(two[scores], all_samples.loc[two.index, scores])
    truth = truth_of(cohort).loc[all_samples.index, "source_true_lineage"].astype(str)
    for lineage in ("t_cell", "b_cell", "neutrophil", "epithelial"):
        means = all_samples[f"score_{lineage}"].groupby(truth).mean()
        assert means.idxmax() == lineage
    rules = storage.read_table(cohort / f"all_{method}.tsv").set_index("set_id")
    words = {"ucell": "UCell", "aucell": "AUCell", "mean_difference": "mean log expression"}
    assert rules.loc["b_cell", "rule"].startswith("score only: ")
    assert words[method] in rules.loc["b_cell", "rule"]
    assert rules["depth_correlation"].notna().sum() > 100


def test_sets_of_the_users_own_are_scored_beside_those_of_the_reviews(cohort, tmp_path):
    own = tmp_path / "own.gmt"
    own.write_text("b_again\tna\tMS4A1\tCD79A\tCD79B\tCD19\nnot_there\tna\tNOGENE\n")
    states = states_of(cohort, "own.parquet", SAMPLES, gene_sets=str(own))
    assert "score_not_there" not in states
    truth = truth_of(cohort).loc[states.index, "source_true_lineage"].astype(str)
    assert states["score_b_again"].groupby(truth).mean().idxmax() == "b_cell"
    rules = storage.read_table(cohort / "own.tsv").set_index("set_id")
    assert len(rules) == 145
    assert rules.loc["not_there", "note"].startswith("not scored")


def test_directions_between_environments(cohort):
    cells = storage.read_table(cohort / "cells.parquet").set_index("cell")
    truth = truth_of(cohort).loc[cells.index, "source_true_state"].astype(str)
    parents = {"texp": "cd8_t", "treg": "cd4_t", "m_mdsc": "mono_cd14", "pmn_mdsc": "neutrophil"}
    for state, parent in {**parents, "ter_cell": "erythroid"}.items():
        inside = cells["cell_type"] == parent
        by = cells.loc[inside, "environment"]
        planted = (truth[inside] == state).groupby(by).mean()
        called = cells.loc[inside, names.call_column(state)].groupby(by).mean()
        differences = (called["TIME"] - called["STIE"], planted["TIME"] - planted["STIE"])
        assert np.sign(differences[0]) == np.sign(differences[1]), state


def test_rules_say_what_was_done(cohort):
    rules = storage.read_table(cohort / "states.tsv").set_index("set_id")
    assert sorted(rules.index) == sorted(SET_IDS)
    assert rules.index[rules["called"]].tolist() == [s for s in rules.index if s in names.CALLED_STATES]
    states = storage.read_table(cohort / "states.parquet")
    for state in names.STATES:
        assert rules.loc[state, "n_called"] == states[names.call_column(state)].sum()
        assert rules.loc[state, "n_parent"] > rules.loc[state, "n_called"] > 0
    assert "FOXP3" in rules.loc["treg", "rule"]
    assert "Artemin" in rules.loc["ter_cell", "note"]
    assert rules.loc["nk", "rule"].startswith("score only")


def test_all_that_is_known_of_a_cell_is_in_one_table(cohort):
    cells = storage.read_table(cohort / "cells.parquet")
    assert cells["cell"].tolist() == storage.read_table(cohort / "states.parquet")["cell"].tolist()
    front = ["cell", "sample", "patient", "environment", "species", "timepoint", "sex"]
    assert list(cells)[:11] == [*front, "cluster", "lineage", "cell_type", "cell_type_confidence"]
    assert not [column for column in cells if column.startswith("source_") or column == "given_cell_type"]
    assert (
        cells["cell"].str.startswith(cells["sample"].iloc[0]).sum()
        == (cells["sample"] == "p1_blood_before").sum()
    )
    assert {"score_ter_cell", "is_ter_cell"} <= set(cells)


def test_what_the_sheet_says_is_stored_as_categories_and_reads_as_it_was(cohort, tmp_path):
    names_of_samples = [sample.name for sample in SAMPLES]
    for sample in names_of_samples:
        cells = ad.read_h5ad(cohort / f"{sample}.h5ad")
        cells.obs["age"] = 60.5 if sample == names_of_samples[0] else 70
        if sample == names_of_samples[1]:
            cells.obs["site"] = "lung"
        cells.obs["pct_intronic"] = 1.0  # measured, not of the sheet
        storage.write_cells(cells, tmp_path / f"{sample}.h5ad")
    for name in ("clusters", "cell_types", "states"):
        (tmp_path / f"{name}.parquet").write_bytes((cohort / f"{name}.parquet").read_bytes())
    assert collect(tmp_path) == 0
    cells = storage.read_table(tmp_path / "cells.parquet").set_index("cell")
    obs = pd.concat([ad.read_h5ad(tmp_path / f"{sample}.h5ad").obs for sample in names_of_samples])
    obs = obs.loc[cells.index]
    columns = ["sample", "patient", "environment", "species", "timepoint", "sex", "site"]
    assert all(isinstance(cells[column].dtype, pd.CategoricalDtype) for column in columns)
    expected = obs[columns].astype(object)
    pd.testing.assert_frame_equal(
        cells[columns].astype(object).where(cells[columns].notna(), None),
        expected.where(expected.notna(), None),
        check_names=False,
    )
    assert cells["site"].notna().sum() == (obs["sample"] == names_of_samples[1]).sum()
    assert cells["age"].tolist() == obs["age"].tolist()
    assert "pct_intronic" not in cells
    types = [
        storage.read_table(cohort / f"{name}.parquet").set_index("cell") for name in ("cell_types", "states")
    ]
    for column in ("lineage", "cell_type", "cell_type_confidence"):
        pd.testing.assert_series_equal(cells[column], types[0][column], check_index=False)
    pd.testing.assert_frame_equal(cells[types[1].columns], types[1])


def test_tables_in_another_order_are_joined_by_cell(cohort):
    for name in ("states", "clusters"):
        table = storage.read_table(cohort / f"{name}.parquet")
        storage.write_table(table.iloc[::-1], cohort / f"turned_{name}.parquet")
    assert collect(cohort, "turned.parquet", "turned_states.parquet", clusters="turned_clusters.parquet") == 0
    first, again = (storage.read_table(cohort / name) for name in ("cells.parquet", "turned.parquet"))
    pd.testing.assert_frame_equal(first, again)


def test_a_second_run_gives_the_same_files(cohort):
    assert annotate(cohort, "again_types.parquet") == 0
    assert score(cohort, output="again.parquet") == 0
    for first, again in (("cell_types.parquet", "again_types.parquet"), ("states.parquet", "again.parquet")):
        assert (cohort / first).read_bytes() == (cohort / again).read_bytes()


def test_blocks_of_cells_change_no_score_and_no_call(cohort):
    path = cohort / "states_blocks.parquet"
    words = [*inputs(cohort), "--cell-types", cohort / "cell_types.parquet"]
    words += [*state_outputs(path), "--compute", json.dumps({"block_gib": 1e-4})]
    assert step("score-states", *words) == 0
    assert path.read_bytes() == (cohort / "states.parquet").read_bytes()
    for suffix in (".tsv", ".genes.tsv", ".examples.tsv"):
        whole = (cohort / "states").with_suffix(suffix)
        assert path.with_suffix(suffix).read_text() == whole.read_text(), suffix


def test_a_panel_without_genes_for_random_sets_ranks_cells_and_calls_none(cohort, tmp_path):
    for sample in SAMPLES:
        cells = ad.read_h5ad(cohort / f"{sample.name}.h5ad")
        others = cells.var_names[~cells.var_names.isin(read_markers()["gene"])][:30]
        panel = cells.var_names.isin(read_markers()["gene"]) | cells.var_names.isin(others)
        storage.write_cells(cells[:, panel].copy(), tmp_path / f"{sample.name}.h5ad")
    for name in [*(f"{sample.name}.parquet" for sample in SAMPLES), "cell_types.parquet"]:
        (tmp_path / name).write_bytes((cohort / name).read_bytes())
    assert score(tmp_path) == 0
    states, whole = (
        storage.read_table(folder / "states.parquet").set_index("cell") for folder in (tmp_path, cohort)
    )
    rules = storage.read_table(tmp_path / "states.tsv").set_index("set_id")
    assert rules.loc["treg", "note"].startswith("not testable: 30 genes for random sets, 50 are needed")
    assert not rules.loc["treg", "called"]
    assert states["is_treg"].isna().all()
    both = states["evidence_treg"].notna()
    assert (both == whole["evidence_treg"].notna()).all()
    ranked = states["evidence_treg"][both].corr(whole["evidence_treg"][both], method="spearman")
    assert ranked > 0.9
    assert "genes that tell nucleated cells" in rules.loc["ter_cell", "note"]
    assert "treg" not in set(storage.read_table(tmp_path / "states.genes.tsv")["state"])


def profile(folder, output, *options):
    words = [*inputs(folder), "--cell-types", folder / "cell_types.parquet", "--states"]
    words += [folder / "states.parquet", "--output", output, "--profiles", output.with_suffix(".genes.tsv")]
    return step("profile-states", *words, "--summary", output.with_suffix(".tsv"), *options)


def test_other_genes_judge_the_cells_of_a_state(cohort, tmp_path):
    assert profile(cohort, tmp_path / "likeness.parquet") == 0
    found = storage.read_table(tmp_path / "likeness.parquet").set_index("cell")
    states = storage.read_table(cohort / "states.parquet").set_index("cell")
    summary = storage.read_table(tmp_path / "likeness.tsv").set_index("state")
    assert list(summary.index) == list(names.STATES)
    learned = [state for state in names.STATES if not str(summary.loc[state, "note"]).startswith("not test")]
    assert "treg" in learned
    for state in names.STATES:
        judged = found[names.likeness_column(state)].notna()
        expected = states[names.evidence_column(state)].notna() if state in learned else False
        assert (judged == expected).all(), state
    called = states["is_treg"].astype("boolean").fillna(value=False)
    inside = found["likeness_treg"].notna()
    samples = found.index.str.partition(":").get_level_values(0)[inside]
    told = agreement(found["likeness_treg"][inside].to_numpy(float), called[inside].to_numpy(bool), samples)
    assert float(summary.loc["treg", "auroc_called"]) == pytest.approx(told, abs=2e-3)
    genes = storage.read_table(tmp_path / "likeness.genes.tsv")
    own = read_markers().query("set_id == 'treg'")["gene"]
    assert not genes.loc[genes["state"] == "treg", "gene"].isin(own).any()


def test_blocks_and_threads_change_no_likeness(cohort, tmp_path):
    assert profile(cohort, tmp_path / "whole.parquet") == 0
    options = ("--compute", json.dumps({"block_gib": 1e-4}), "--threads", 2)
    assert profile(cohort, tmp_path / "cut.parquet", *options) == 0
    whole, cut = (storage.read_table(tmp_path / f"{name}.parquet") for name in ("whole", "cut"))
    pd.testing.assert_frame_equal(whole, cut, atol=1e-5)


@pytest.mark.parametrize(("block_gib", "threads"), [(1e-4, 1), (1e-4, 2), (0.5, 2)])
def test_blocks_and_threads_change_no_cell_type(cohort, tmp_path, block_gib, threads):
    words = [
        *inputs(cohort),
        "--clusters",
        cohort / "clusters.parquet",
        "--output",
        tmp_path / "types.parquet",
    ]
    words += ["--compute", json.dumps({"block_gib": block_gib}), "--threads", threads]
    assert step("annotate", *words) == 0
    assert (tmp_path / "types.parquet").read_bytes() == (cohort / "cell_types.parquet").read_bytes()


def test_the_graph_goes_by_the_cells_of_the_clusters(cohort, tmp_path, capsys):
    table = storage.read_table(cohort / "clusters.parquet")
    near = np.equal.outer(table["cluster"].to_numpy(), table["cluster"].to_numpy()).astype(np.float32)
    for name, order in (("as", slice(None)), ("turned", slice(None, None, -1))):
        storage.write_table(table[order], tmp_path / f"{name}_clusters.parquet")
        storage.write_graph(sparse.csr_matrix(near[order][:, order]), tmp_path / f"{name}.npz")
        words = ["--clusters", tmp_path / f"{name}_clusters.parquet", "--graph", tmp_path / f"{name}.npz"]
        assert step("annotate", *inputs(cohort), *words, "--output", tmp_path / f"{name}.parquet") == 0
    found, turned, alone = (
        storage.read_table(path / f"{name}.parquet").set_index("cell")
        for path, name in ((tmp_path, "as"), (tmp_path, "turned"), (cohort, "cell_types"))
    )
    pd.testing.assert_frame_equal(found, turned)
    unsure = (alone["lineage_confidence"] < 0.9).to_numpy()
    assert unsure.sum() >= 4
    gain = found["lineage_confidence"] - alone["lineage_confidence"]
    assert gain[unsure].mean() > 0.02
    assert gain[(alone["lineage_confidence"] > 0.999).to_numpy()].abs().max() < 0.01
    storage.write_graph(sparse.csr_matrix(near[:5, :5]), tmp_path / "small.npz")
    words = ["--clusters", cohort / "clusters.parquet", "--graph", tmp_path / "small.npz"]
    code = step("annotate", *inputs(cohort), *words, "--output", tmp_path / "no.parquet")
    assert "the graph is 5 x 5" in fail(capsys, code)
    assert not (tmp_path / "no.parquet").exists()


def test_marker_genes_that_a_sample_lacks_are_used_in_none(cohort, tmp_path, caplog):
    first, second = SAMPLES[:2]
    for sample, dropped in ((first, ["CD3D", "MS4A1"]), (second, ["LYZ"])):
        cells = ad.read_h5ad(cohort / f"{sample.name}.h5ad")
        cells = cells[:, ~cells.var_names.isin(dropped)].copy()
        both = cells[:, ::-1].copy() if sample is second else cells
        storage.write_cells(both, tmp_path / f"{sample.name}.h5ad")
        quality = (cohort / f"{sample.name}.parquet").read_bytes()
        (tmp_path / f"{sample.name}.parquet").write_bytes(quality)
    types = storage.read_table(cohort / "clusters.parquet")
    own = types[types["cell"].str.startswith((first.name, second.name))]
    storage.write_table(own, tmp_path / "clusters.parquet")
    assert annotate(tmp_path, samples=SAMPLES[:2]) == 0
    assert "3 marker genes are not in every sample" in caplog.text
    found = storage.read_table(tmp_path / "cell_types.parquet").set_index("cell")
    assert not found["evidence"].str.contains("CD3D|MS4A1|LYZ").any()
    truth = truth_of(cohort).loc[found.index, "source_true_lineage"].astype(str)
    assert (found["lineage"] == truth).mean() > 0.97


def test_states_without_parent_cells_are_not_testable(cohort):
    assert score(cohort, output="few.parquet", settings={"min_parent_cells": 100_000}) == 0
    states = storage.read_table(cohort / "few.parquet")
    calls = [names.call_column(state) for state in names.STATES]
    assert states[calls].isna().all().all()  # not testable is missing, never false
    rules = storage.read_table(cohort / "few.tsv").set_index("set_id")
    assert not rules["called"].any()
    assert rules.loc["texp", "note"].startswith("not testable: ")
    assert collect(cohort, "few_cells.parquet", "few.parquet") == 0
    assert storage.read_table(cohort / "few_cells.parquet")[calls].isna().all().all()


def test_scores_do_not_depend_on_the_other_samples(cohort, tmp_path):
    one = SAMPLES[1]
    types = storage.read_table(cohort / "cell_types.parquet")
    own = types[types["cell"].str.startswith(one.name)]
    storage.write_table(own, cohort / "own_types.parquet")
    assert score(cohort, "own_types.parquet", "own.parquet", samples=[one]) == 0
    alone = storage.read_table(cohort / "own.parquet").set_index("cell")
    together = storage.read_table(cohort / "states.parquet").set_index("cell").loc[alone.index]
    scores = [column for column in together if column.startswith("score_")]
    pd.testing.assert_frame_equal(alone[scores], together[scores])


def test_given_types_are_taken_over(cohort):
    assert annotate(cohort, "given.parquet", {"method": "given"}) == 0
    types = storage.read_table(cohort / "given.parquet").set_index("cell")
    truth = truth_of(cohort).loc[types.index]
    assert (types["cell_type"] == truth["given_cell_type"].astype(str)).all()
    assert (types["lineage"] == truth["source_true_lineage"].astype(str)).all()
    assert (types["cell_type_confidence"] == 1).all()


def fail(capsys, code):
    assert code == 2
    return capsys.readouterr().err


def test_tables_of_other_cells_are_refused(cohort, capsys):
    types = storage.read_table(cohort / "cell_types.parquet")
    storage.write_table(types.iloc[1:], cohort / "short.parquet")
    message = fail(capsys, score(cohort, "short.parquet", "bad.parquet"))
    assert "1 kept cells have no cell type" in message
    extra = pd.concat([types, types.tail(1).assign(cell="p9:AAA")])
    storage.write_table(extra, cohort / "extra.parquet")
    message = fail(capsys, score(cohort, "extra.parquet", "bad.parquet"))
    assert f"{len(types) + 1} cells have a type, {len(types)} are kept" in message
    states = storage.read_table(cohort / "states.parquet")
    storage.write_table(states.iloc[1:], cohort / "short_states.parquet")
    message = fail(capsys, collect(cohort, "bad.parquet", "short_states.parquet"))
    assert "short_states.parquet" in message
    message = fail(capsys, collect(cohort, "bad.parquet", samples=SAMPLES[1:]))
    assert "cells are missing" in message
    message = fail(capsys, collect(cohort, "bad.parquet", "no_states.parquet"))
    assert "the table does not exist" in message
    storage.write_table(states.drop(columns="cell"), cohort / "bare_states.parquet")
    message = fail(capsys, collect(cohort, "bad.parquet", "bare_states.parquet"))
    assert "lacks the column cell" in message
    message = fail(capsys, collect(cohort, "bad.parquet", samples=[*SAMPLES, SAMPLES[0]]))
    assert "stands twice" in message
    assert not (cohort / "bad.parquet").exists()


def test_bad_inputs_are_told(cohort, tmp_path, capsys):
    message = fail(
        capsys,
        step("annotate", *inputs(cohort)[:5], *inputs(cohort)[5:-1], "--clusters", "x", "--output", "y"),
    )
    assert "4 files of counts and 3 of quality" in message
    cells = ad.read_h5ad(cohort / "p1_blood_before.h5ad")
    del cells.obs["given_cell_type"]
    cells.obs["species"] = "mouse"
    storage.write_cells(cells, tmp_path / "p1_blood_before.h5ad")
    quality = (cohort / "p1_blood_before.parquet").read_bytes()
    (tmp_path / "p1_blood_before.parquet").write_bytes(quality)
    code = annotate_one(tmp_path, cohort, settings={"method": "given"})
    assert "the cells have no given types" in fail(capsys, code)
    two = ("--counts", tmp_path / "p1_blood_before.h5ad", cohort / "p1_tumour_before.h5ad", "--quality")
    two = (*two, tmp_path / "p1_blood_before.parquet", cohort / "p1_tumour_before.parquet")
    code = step(
        "annotate", *two, "--clusters", cohort / "clusters.parquet", "--output", tmp_path / "x.parquet"
    )
    assert "several species: human, mouse" in fail(capsys, code)


def test_quality_of_other_cells_or_in_another_order_is_refused(cohort, tmp_path, capsys):
    name = "p1_blood_before"
    (tmp_path / f"{name}.h5ad").write_bytes((cohort / f"{name}.h5ad").read_bytes())
    quality = storage.read_table(cohort / f"{name}.parquet")
    storage.write_table(quality.iloc[::-1], tmp_path / f"{name}.parquet")
    assert "stand in another order" in fail(capsys, annotate_one(tmp_path, cohort, None))
    renamed = quality.assign(cell=["p9:AAA", *quality["cell"].iloc[1:]])
    storage.write_table(renamed, tmp_path / f"{name}.parquet")
    assert "1 cells are missing and 1 are extra" in fail(capsys, annotate_one(tmp_path, cohort, None))
    storage.write_table(quality, tmp_path / f"{name}.parquet")
    message = fail(capsys, annotate_one(tmp_path, cohort, None))  # the clusters are those of four samples
    assert "clusters.parquet" in message
    (tmp_path / f"{name}.h5ad").unlink()
    assert "the counts do not exist" in fail(capsys, annotate_one(tmp_path, cohort, None))


def annotate_one(folder, cohort, settings):
    paths = ("--counts", folder / "p1_blood_before.h5ad", "--quality", folder / "p1_blood_before.parquet")
    rest = ("--clusters", cohort / "clusters.parquet", "--output", folder / "types.parquet")
    return step("annotate", *paths, *rest, settings=settings)


def section(path, genes, given=None):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"species": "human"}, index=[f"s1:{n}" for n in range(60)])
    if given:
        obs["given_cell_type"] = given
    counts = sparse.csr_matrix(rng.poisson(1, (60, len(genes))).astype(np.int32))
    cells = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=pd.Index(genes, dtype=object)))
    cells.obsm["spatial"] = rng.random((60, 2)) * 100
    storage.write_cells(cells, path)


def test_cells_of_a_section_by_their_counts(cohort, tmp_path):
    counts = cohort / "p1_tumour_before.h5ad"
    assert step("map-cells", "--counts", counts, "--output", tmp_path / "types.parquet") == 0
    types = storage.read_table(tmp_path / "types.parquet").set_index("cell")
    assert list(types) == ["lineage", "cell_type", "cell_type_confidence"]
    truth = ad.read_h5ad(counts).obs
    assert types.index.tolist() == truth.index.tolist()
    single = truth["source_true_kind"] == "cell"
    assert (types["lineage"] == truth["source_true_lineage"].astype(str))[single].mean() > 0.97


def test_cells_of_a_section_without_genes(tmp_path, capsys):
    section(tmp_path / "given.h5ad", [], given="caf")
    output = ("--output", tmp_path / "types.parquet")
    assert step("map-cells", "--counts", tmp_path / "given.h5ad", *output, settings={"method": "given"}) == 0
    types = storage.read_table(tmp_path / "types.parquet")
    assert set(types["lineage"]) == {"fibroblast"}
    assert set(types["cell_type"]) == {"caf"}
    message = fail(capsys, step("map-cells", "--counts", tmp_path / "given.h5ad", *output))
    assert "the section has 0 genes" in message
    assert "annotation.method to given" in message
    section(tmp_path / "panel.h5ad", ["NOGENE1", "NOGENE2"])
    message = fail(capsys, step("map-cells", "--counts", tmp_path / "panel.h5ad", *output))
    assert "none of the marker sets" in message
    message = fail(
        capsys, step("map-cells", "--counts", tmp_path / "panel.h5ad", *output, settings={"method": "given"})
    )
    assert "no given types" in message
