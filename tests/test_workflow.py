"""The workflow as a user runs it: lint, dry run, a tiny cohort end to end, re-running, mistakes."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.tiny_cohort import stietime, write_tiny_cohort

from stietime.names import OUTPUT_PATHS
from stietime.planned_results import PER_SPOT_SECTION

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A tiny simulated cohort that has gone through the whole chain."""
    folder = tmp_path_factory.mktemp("cohort")
    config = write_tiny_cohort(folder, n_patients=2, n_cells=150)
    done = stietime("run", "--configfile", str(config), "--cores", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(str(folder / "results" / "reports" / "index.html"))
    return folder


def rules_of_dry_run(folder: Path, *words: str) -> set[str]:
    """Names of the rules that would run, as `--summary`-like dry run says."""
    done = stietime("run", "--configfile", "config.yaml", "--dry-run", *words, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    return {line.split()[1].rstrip(":") for line in lines if line.startswith(("rule ", "localrule "))} - {
        "all"
    }


def test_the_default_workflow_lints_and_plans(tmp_path):
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    lint = subprocess.run([*command, "--lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr
    (tmp_path / "config").symlink_to(ROOT / "config")
    plan = subprocess.run([*command, "--dry-run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "report_cohort" in plan.stdout + plan.stderr


# what takes receptors or sections of spots, which the cohort has none of
NOT_HERE = {"receptors", "clonotypes", "clone_contrasts", "clones", "receptor_counts", "type_profiles"}


def test_every_promised_file_is_there(cohort):
    samples = pd.read_csv(cohort / "simulated" / "samples.tsv", sep="\t")
    missing = {*NOT_HERE, *PER_SPOT_SECTION}
    promised = {name: path for name, path in OUTPUT_PATHS.items() if name not in missing}
    for row in samples.itertuples():
        for name, path in promised.items():
            if ("{sample}" in path and row.modality == "cells") or (
                "{section}" in path and row.modality == "section"
            ):
                found = cohort / "results" / path.format(sample=row.sample, section=row.sample)
                assert found.stat().st_size > 0, name
    for name, path in promised.items():
        if "{" not in path:
            assert (cohort / "results" / path).stat().st_size > 0, name


CONTRACT = {
    "cohort/cells.parquet": (
        "cell sample patient environment timepoint cluster lineage cell_type cell_type_confidence score_texp"
        " is_texp is_treg is_m_mdsc is_pmn_mdsc is_ter_cell"
    ),
    "cohort/embedding.parquet": "cell pca_1 harmony_1 umap_1 umap_2",
    "cohort/integration_metrics.tsv": "embedding metric value ideal",
    "cohort/cluster_resolutions.tsv": (
        "resolution n_clusters stability stability_low n_subsamples n_cells_subsample silhouette chosen"
        " suggested note"
    ),
    "cohort/cluster_quality.tsv": (
        "cluster n_cells n_samples n_patients n_batches largest_patient largest_patient_share"
        " expected_patient_share largest_batch largest_batch_share expected_batch_share stability flag note"
    ),
    "cohort/cluster_markers.tsv": (
        "cluster gene auc log2_fold_change z p q share_in share_out n_patients n_patients_higher"
        " n_patients_lower consistency p_patients n_cells_in n_cells_out note"
    ),
    "cohort/composition.tsv": "sample entity level n parent n_parent fraction",
    "cohort/contrasts.tsv": (
        "contrast entity kind estimate ci_low ci_high p q n_patients n_pairs method note"
    ),
    "cohort/roe.tsv": (
        "moment entity level parent environment patient observed expected roe log2_roe n_patients note"
    ),
    "cohort/claims.tsv": "claim_id verdict estimate ci_low ci_high p q n_patients reason",
    "cells/p1_blood_before/quality.parquet": (
        "cell n_genes n_counts pct_mito pct_ribo pct_hb doublet_score is_doublet keep reason"
    ),
    "sections/s1_infiltrated/neighbourhoods.tsv": "type_a type_b radius_um observed expected z p q",
    "sections/s1_infiltrated/co_occurrence.tsv": "type_a type_b distance_um ratio",
    "sections/s1_infiltrated/architecture.tsv": (
        "section class mixing_score infiltration n_tumour n_immune confidence"
    ),
    "sections/s1_infiltrated/spots.parquet": "cell x_um y_um cell_type region distance_to_boundary_um",
}


@pytest.mark.parametrize("name", CONTRACT)
def test_the_results_contract(cohort, name):
    path = cohort / "results" / name
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, sep="\t")
    assert set(CONTRACT[name].split()) <= set(table.columns)
    assert len(table)


def test_every_section_of_every_report_is_made(cohort):
    reports = sorted((cohort / "results" / "reports").glob("*.html"))
    assert len(reports) == 1 + len(pd.read_csv(cohort / "simulated" / "samples.tsv", sep="\t"))
    for path in reports:
        assert "This section could not be made" not in path.read_text(encoding="utf-8"), path.name


def test_no_cell_is_lost_without_a_reason(cohort):
    cells = pd.read_parquet(cohort / "results" / "cohort" / "cells.parquet")
    kept = 0
    for path in (cohort / "results" / "cells").glob("*/quality.parquet"):
        quality = pd.read_parquet(path)
        assert len(quality) == 150
        assert ((quality["reason"] == "kept") == quality["keep"]).all()
        assert (quality["reason"] != "").all()
        kept += int(quality["keep"].sum())
    assert len(cells) == kept
    assert cells["cell"].is_unique


def test_the_claims_are_all_answered(cohort):
    claims = pd.read_csv(cohort / "results" / "cohort" / "claims.tsv", sep="\t")
    assert len(claims) == 516
    assert claims["claim_id"].is_unique
    assert claims["reason"].notna().all()


def test_the_record_names_versions_inputs_and_commands(cohort):
    record = json.loads((cohort / "results" / "provenance.json").read_text())
    assert record["packages"]["harmonypy"]
    assert all(len(entry["sha256"]) == 64 for entry in record["inputs"])
    jobs = {job["job"]: job for job in record["jobs"]}
    assert jobs["integrate"]["wall_seconds"] > 0
    assert jobs["integrate"]["peak_memory_mb"] > 50


def test_a_step_runs_by_hand_from_the_log(cohort):
    command = (cohort / "results" / "logs" / "cluster.log").read_text().splitlines()[0]
    before = pd.read_parquet(cohort / "results" / "cohort" / "clusters.parquet")
    words = shlex.split(command.removeprefix("$ "))
    copy = cohort / "by_hand.parquet"
    words[words.index("--output") + 1] = str(copy)
    done = stietime(*words[1:], cwd=cohort)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(pd.read_parquet(copy), before)


def test_running_again_does_nothing(cohort):
    assert rules_of_dry_run(cohort) == set()


def rules_with_options(folder: Path, **groups: dict) -> set[str]:
    """Names of the rules that would run if some options were other ones."""
    path = folder / "config.yaml"
    text = path.read_text()
    path.write_text(yaml.safe_dump({**yaml.safe_load(text), **groups}))
    try:
        return rules_of_dry_run(folder)
    finally:
        path.write_text(text)


def test_another_resolution_runs_from_cluster_on_only(cohort):
    rules = rules_with_options(cohort, clustering={"resolution": 0.7})
    assert {"cluster", "describe_clusters", "annotate", "report_cohort"} <= rules
    untouched = {"simulate", "ingest", "assess_quality", "integrate", "find_neighbourhoods", "map_cells"}
    assert not rules & untouched


def test_another_description_of_clusters_makes_nothing_else_but_reports(cohort):
    rules = rules_with_options(cohort, cluster_description={"n_markers": 5})
    assert {"describe_clusters", "report_cohort"} <= rules
    made = rules - {"describe_clusters", "record_provenance"}
    assert all(rule.startswith("report_") for rule in made), made


def test_a_deleted_output_rebuilds_what_follows(cohort):
    path = cohort / "results" / "cohort" / "contrasts.tsv"
    content = path.read_bytes()
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.unlink()
    try:
        rules = rules_of_dry_run(cohort)
    finally:
        path.write_bytes(content)
        import os

        os.utime(path, ns=times)
    assert {"compare", "weigh_claims", "report_cohort"} <= rules
    assert not rules & {"integrate", "cluster", "annotate", "score_states", "find_neighbourhoods"}


MISTAKES = {
    "a typo in the config": ("config", "clustring: {}", ("clustring", "clustering")),
    "a missing column": ("sheet", lambda t: t.replace("environment", "enviroment", 1), ("environment",)),
    "a duplicate sample": (
        "sheet",
        lambda t: t + t.splitlines()[1] + "\n",
        ("p1_blood_before", "sample"),
    ),
    "a path that does not exist": (
        "sheet",
        lambda t: t.replace("simulated/p1_blood_before.h5ad", "nowhere/p1.h5ad", 1),
        ("nowhere/p1.h5ad",),
    ),
    "a wrong environment": (
        "sheet",
        lambda t: t.replace("\tSTIE\t", "\tblood\t", 1),
        ("blood", "STIE", "row"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_end_with_two_before_anything_runs(cohort, tmp_path, mistake):
    kind, change, words = MISTAKES[mistake]
    sheet = (cohort / "simulated" / "samples.tsv").read_text()
    config = yaml.safe_load((cohort / "config.yaml").read_text())
    config.pop("simulation", None)
    (tmp_path / "simulated").symlink_to(cohort / "simulated")
    (tmp_path / "samples.tsv").write_text(change(sheet) if kind == "sheet" else sheet)
    text = yaml.safe_dump({**config, "samples": "samples.tsv"})
    (tmp_path / "config.yaml").write_text(text + (f"{change}\n" if kind == "config" else ""))
    done = stietime("run", "--configfile", "config.yaml", cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "fix:" in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / ".snakemake").exists()


def test_a_failing_step_is_named_with_its_log(cohort, tmp_path):
    config = yaml.safe_load((cohort / "config.yaml").read_text())
    config.pop("simulation", None)
    config["quality"] = {"min_counts": 10_000_000}
    (tmp_path / "simulated").symlink_to(cohort / "simulated")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    done = stietime("run", "--configfile", "config.yaml", "--cores", "2", cwd=tmp_path)
    assert done.returncode == 1
    assert "failed" in done.stderr
    assert "results/logs/" in done.stderr
    assert "no cell of any sample is kept" in done.stderr
    assert "dropped as empty 1200" in done.stderr
