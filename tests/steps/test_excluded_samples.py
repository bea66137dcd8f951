"""A simulated cohort with an excluded sample through every step, as typed on the command line."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from stietime import cli, names, storage
from stietime.simulate.cohort import design, simulate_sample
from stietime.simulate.folder import sample_truth

N_CELLS = 150
OUT = "p2_tumour_after"
REASON = "keeps 3 cells, fewer than 5 (min_cells_usable)"
SMALL = {"integrate": {"n_components": 10, "n_neighbours": 10}, "compare": {"min_pairs": 2}}


def write_sample(root, sample, cells, *, excluded=False):
    """Write what `ingest` and `assess-quality` would; quality makes no mistake."""
    obs = cells.obs.add_prefix("source_")
    facts = {"sample": sample.name, "patient": sample.patient, "environment": sample.environment}
    facts |= {"timepoint": sample.timepoint, "batch": sample.batch, "tissue": sample.tissue}
    facts |= {"treatment": "immunotherapy", "cancer": "NSCLC", "species": "human"}
    obs = obs.assign(**facts).set_index(f"{sample.name}:" + obs.index)
    folder = root / sample.name
    storage.write_cells(ad.AnnData(cells.X, obs=obs, var=cells.var[[]]), folder / "counts.h5ad")
    kind = obs["source_true_kind"].to_numpy(dtype=str)
    kept = "sample_excluded" if excluded else names.KEPT
    reason = np.select([kind == "doublet", kind == "dying"], ["doublet", "high_mito"], kept)
    quality = pd.DataFrame({"cell": obs.index, "is_doublet": kind == "doublet", "pct_mito": 10.0})
    quality["keep"], quality["reason"] = reason == names.KEPT, reason
    storage.write_table(quality, folder / "quality.parquet")
    verdict = {"verdict": names.EXCLUDED if excluded else names.USABLE, "reason": REASON if excluded else ""}
    row = {"sample": sample.name, "patient": sample.patient, "sex_expressed": "unclear", **verdict}
    storage.write_table(pd.DataFrame([row]), folder / "sample_quality.tsv")


def chain(root, out, samples):
    """The command line of every step of a cohort, in order."""
    out.mkdir(exist_ok=True)
    counts, quality, summaries = (
        [root / sample / name for sample in samples]
        for name in ("counts.h5ad", "quality.parquet", "sample_quality.tsv")
    )
    both = ("--counts", *counts, "--quality", *quality)
    cells, embedding = ("--cells", out / "cells.parquet"), ("--embedding", out / "embedding.parquet")
    tables = ("--composition", out / "composition.tsv", "--contrasts", out / "contrasts.tsv")
    values = ("--patient-values", out / "patient_values.tsv")
    return {
        "collect-samples": ("--sample-quality", *summaries, "--output", out / "samples.tsv"),
        "integrate": (
            *(*both, "--output", out / "embedding.parquet", "--variable-genes", out / "genes.tsv"),
            *("--graph", out / "graph.npz", "--metrics", out / "metrics.tsv"),
        ),
        "cluster": (*embedding, "--graph", out / "graph.npz", "--output", out / "clusters.parquet"),
        "annotate": (*both, "--clusters", out / "clusters.parquet", "--output", out / "types.parquet"),
        "score-states": (
            *(*both, "--cell-types", out / "types.parquet", "--output", out / "states.parquet"),
            *("--tables", out / "rules.tsv", out / "state_genes.tsv", out / "examples.tsv"),
        ),
        "collect-cells": (
            *("--counts", *counts, "--clusters", out / "clusters.parquet", "--cell-types"),
            *(out / "types.parquet", "--states", out / "states.parquet", "--output", out / "cells.parquet"),
        ),
        "compare": (*cells, "--counts", *counts, "--samples", out / "samples.tsv", *tables, *values),
        "weigh-claims": (*cells, *tables, "--output", out / "claims.tsv"),
        "export": ("--counts", *counts, *cells, *embedding, "--output", out / "cohort.h5ad"),
        "check-simulation": (
            *("--truth", root / "truth.tsv", *both, *cells, *embedding, "--output", out / "planted.tsv"),
        ),
    }


def run(step, words):
    given = SMALL.get(step)
    settings = ("--settings", json.dumps(given)) if given else ()
    return cli.main(["step", step, *map(str, words), *settings])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two patients with four samples each; the excluded one measures a third of the genes."""
    root = tmp_path_factory.mktemp("excluded")
    truth = []
    for sample in design(2):
        cells = simulate_sample(sample, N_CELLS, seed=1)
        truth.append(sample_truth(cells.obs, sample, 1))
        excluded = sample.name == OUT
        write_sample(root, sample, cells[:, ::3].copy() if excluded else cells, excluded=excluded)
    storage.write_table(pd.concat(truth), root / "truth.tsv")
    return root


@pytest.fixture(scope="module")
def results(root):
    """Results of the whole cohort, and of the cohort without the excluded sample."""
    every = [sample.name for sample in design(2)]
    found = {}
    for name, samples in {"with": every, "without": [name for name in every if name != OUT]}.items():
        found[name] = root / name
        steps = chain(root, found[name], samples)
        if name == "without":
            steps.pop("check-simulation")
        for step, words in steps.items():
            assert run(step, words) == 0, step
    return found


def read(results, name):
    return storage.read_table(results["with"] / name)


@pytest.mark.parametrize("name", ["embedding", "clusters", "types", "states", "cells"], ids=lambda name: name)
def test_an_excluded_sample_changes_nothing_of_the_others(results, name):
    tables = [pd.read_parquet(results[key] / f"{name}.parquet") for key in ("with", "without")]
    pd.testing.assert_frame_equal(*tables)


def test_every_table_by_sample_still_names_it(results):
    samples = read(results, "samples.tsv").set_index("sample")
    assert len(samples) == 8
    assert samples.loc[OUT, ["verdict", "reason"]].tolist() == [names.EXCLUDED, REASON]
    composition = read(results, "composition.tsv")
    assert len(set(composition.groupby("sample").size())) == 1
    rows = composition[composition["sample"] == OUT]
    assert rows[["n", "n_parent", "fraction"]].isna().all(axis=None)
    assert set(rows["note"]) == {f"sample excluded: {REASON}"}
    assert set(rows["patient"]) == {"p2"}
    metrics = read(results, "metrics.tsv").set_index("metric")
    assert metrics.loc["n_samples", ["value", "note"]].tolist() == [
        7,
        f"1 further sample keeps no cell: {OUT}",
    ]
    planted = read(results, "planted.tsv")
    row = planted[planted["entity"] == OUT].iloc[0]
    assert (row["check"], row["recovered"], row["environment"], row["timepoint"]) == (
        *("sample_kept", 0, "TIME", "after"),
    )
    assert pd.isna(row["met"])


def test_contrasts_leave_it_out_and_say_so(results):
    contrasts = read(results, "contrasts.tsv")
    alone = storage.read_table(results["without"] / "contrasts.tsv")
    changes = {f"after_vs_before:{where}" for where in ("STIE", "TIME", "TIME-STIE")}
    assert set(contrasts["contrast"]) == {"stie_vs_time", *changes}
    pd.testing.assert_frame_equal(contrasts.drop(columns="note"), alone.drop(columns="note"))
    touched = contrasts["contrast"].isin(["after_vs_before:TIME", "after_vs_before:TIME-STIE"])
    assert contrasts.loc[touched, "note"].str.startswith(f"1 sample excluded ({OUT})").all()
    assert (contrasts.loc[touched, "n_pairs"] <= 1).all()
    others = contrasts[~touched]
    assert not others["note"].fillna("").str.contains("excluded").any()
    assert (others["status"] == "tested").any()
    assert len(read(results, "claims.tsv")) == 516


def test_the_cohort_file_holds_every_gene_of_the_others(results):
    cohort = ad.read_h5ad(results["with"] / "cohort.h5ad")
    assert OUT not in set(cohort.obs["sample"])
    assert cohort.n_vars == ad.read_h5ad(results["without"] / "cohort.h5ad").n_vars > 2000


def test_the_simulation_is_judged_on_what_was_measured(results):
    planted = read(results, "planted.tsv").set_index(["check", "entity"])
    survival = planted.loc["survival"]
    assert (survival["recovered"].astype(float) == 1).all()  # its cells passed the filters of cells
    assert float(planted.loc[("dying_precision", "dying"), "recovered"]) == 1
    fractions = planted.loc["state_fraction"].reset_index().set_index(["entity", "environment", "timepoint"])
    n = fractions["n"].astype(int)
    assert n["treg", "TIME", "after"] == 1
    assert n["treg", "TIME", "before"] == 2
    truth = pd.read_csv(results["with"].parent / "truth.tsv", sep="\t").set_index(
        ["sample", "entity", "level"]
    )
    expected = truth.loc[("p1_tumour_after", "treg", "state"), "planted_fraction"]
    assert float(fractions.loc[("treg", "TIME", "after"), "planted"]) == pytest.approx(expected)


@pytest.fixture
def all_dropped(root, tmp_path):
    """The same cohort with every cell dropped."""
    for sample in design(2):
        (tmp_path / sample.name).mkdir()
        quality = pd.read_parquet(root / sample.name / "quality.parquet")
        n = len(quality)
        quality["keep"], quality["reason"] = False, np.where(np.arange(n) < 10, "doublet", "high_mito")
        quality["pct_mito"] = np.linspace(52, 98, n)
        quality.to_parquet(tmp_path / sample.name / "quality.parquet", index=False)
        (tmp_path / sample.name / "counts.h5ad").symlink_to(root / sample.name / "counts.h5ad")
    return tmp_path


@pytest.mark.parametrize("step", ["integrate", "annotate", "score-states"])
def test_a_cohort_without_a_kept_cell_names_the_filters_and_their_numbers(all_dropped, results, step, capsys):
    for name in ("clusters", "types"):
        (all_dropped / f"{name}.parquet").symlink_to(results["with"] / f"{name}.parquet")
    words = chain(all_dropped, all_dropped, [sample.name for sample in design(2)])[step]
    assert run(step, words) == 2
    error = capsys.readouterr().err
    assert "no cell of any sample is kept: all 1200 cells were dropped as high_mito 1120" in error
    assert "(pct_mito 55.09 to 98), doublet 80" in error
    assert "Traceback" not in error


def test_a_cohort_in_which_one_sample_keeps_three_cells_works(root, tmp_path):
    samples = [sample.name for sample in design(1)]
    for name in samples:
        (tmp_path / name).mkdir()
        for file in ("counts.h5ad", "sample_quality.tsv"):
            (tmp_path / name / file).symlink_to(root / name / file)
        quality = pd.read_parquet(root / name / "quality.parquet")
        if name != samples[0]:
            kept = quality.index[quality["keep"]][:3] if name == samples[1] else quality.index[:0]
            quality["keep"] = quality.index.isin(kept)
            quality["reason"] = np.where(quality["keep"], names.KEPT, "high_mito")
        quality.to_parquet(tmp_path / name / "quality.parquet", index=False)
    steps = chain(root, tmp_path, samples)
    moved = {
        step: [str(word).replace(f"{root}/p", f"{tmp_path}/p") for word in words]
        for step, words in steps.items()
    }
    moved.pop("check-simulation")
    for step, words in moved.items():
        assert run(step, words) == 0, step
    composition = storage.read_table(tmp_path / "composition.tsv")
    assert len(set(composition.groupby("sample").size())) == 1
    assert set(composition.loc[composition["sample"] == samples[2], "n_parent"]) == {0}
    assert set(storage.read_table(tmp_path / "claims.tsv")["verdict"]) == {names.NOT_TESTABLE}
