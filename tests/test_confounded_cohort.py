"""Blood cells of one study against tumour cells of another: a warning on top, and no verdict on any claim."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import yaml
from tests.tiny_cohort import stietime

from stietime import names
from stietime.storage import read_table

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.data, pytest.mark.slow]
BLOOD, TUMOUR = "hao2021", "zilionis2019"
HAO = "hao2021_pbmc_1000_raw/hao_pbmc_1000.h5ad"
ZILIONIS = "zilionis_nsclc_blood_tumor_300/zilionis300_counts_recovered.h5ad"
# captures of the one study stand for its patients
SAMPLES = [(f"h{lane}", "STIE", BLOOD, HAO, f"lane={lane}") for lane in ("L1", "L2", "L5")] + [
    (patient, "TIME", TUMOUR, ZILIONIS, f"Tissue=tumor; Patient={patient}") for patient in ("p1", "p3", "p7")
]


def write_sheet(folder: Path, data_dir: Path) -> Path:
    """Write the sample sheet and the configuration; return the latter."""
    rows = [
        {
            "sample": f"{patient}_{environment.lower()}",
            "patient": patient,
            "environment": environment,
            "modality": "cells",
            "format": "h5ad",
            "path": str(data_dir / path),
            "subset": subset,
            "batch": study,
            "cancer": "NSCLC",
            "timepoint": "before",
        }
        for patient, environment, study, path, subset in SAMPLES
    ]
    pd.DataFrame(rows).to_csv(folder / "samples.tsv", sep="\t", index=False)
    config = {"samples": "samples.tsv", "results_dir": "results", "integration": {"n_components": 15}}
    config["quality"] = {"find_doublets": False}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory, data_dir):
    folder = tmp_path_factory.mktemp("confounded")
    config = write_sheet(folder, data_dir)
    one = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    words = ("--configfile", str(config), "--cores", "1", "--", "results/reports/index.html")
    done = stietime("run", *words, cwd=folder, env={**os.environ, **one})
    assert done.returncode == 0, done.stderr
    return folder / "results"


def table(results: Path, output: str) -> pd.DataFrame:
    return read_table(results / names.OUTPUT_PATHS[output])


def test_the_warning_stands_at_the_top_of_the_report(results):
    html = (results / "reports" / "index.html").read_text()
    top = html[html.index("Read this first") :]
    warning = top[: top.index("</section>")]
    for words in (
        f"Batch and environment cannot be told apart: every batch holds one environment ({BLOOD}: STIE, "
        f"{TUMOUR}: TIME)",
        "takes what differs between environments out of the embedding",
        "Cell types within each environment, and comparisons within each batch, still hold.",
        "Nothing can be concluded from “Blood (STIE) against tumour (TIME), before treatment” (confounded "
        f"with batch: {BLOOD} in the first arm, {TUMOUR} in the second, none in both)",
        "no claim is called supported or contradicted",
        "No contrast of the cohort is free of it.",
        "No patient has both blood and tumour.",
    ):
        assert words in warning
    assert warning.index("Batch and environment") < warning.index("Nothing can be concluded")
    assert html.index("Read this first") < html.index("<img")


def test_every_row_of_the_contrast_says_why_it_says_nothing(results):
    contrasts = table(results, "contrasts")
    assert set(contrasts["contrast"]) == {"stie_vs_time"}
    assert not (contrasts["status"] == "tested").any()
    assert contrasts["p"].isna().all()
    assert contrasts["confounded"].str.startswith(f"confounded with batch: {BLOOD} in the first arm").all()
    assert contrasts["note"].str.contains("confounded with batch").all()


def test_no_claim_gets_a_verdict(results):
    claims = table(results, "claims")
    assert len(claims) == 516
    assert set(claims["verdict"]) <= {names.NOT_TESTABLE, names.INCONCLUSIVE}
    compared = claims[claims["design"] == "stie_vs_time"]
    assert len(compared) > 10
    assert set(compared["reason"]) <= {"not measured", "not captured"}
    assert set(compared["contrast"]) == {"stie_vs_time"}
    assert compared["detail"].str.contains("confounded with batch").all()
    assert compared["detail"].str.contains("no patient has both samples").all()


def test_cells_of_each_environment_are_typed_all_the_same(results):
    cells = pd.read_parquet(results / names.OUTPUT_PATHS["cells"], columns=["environment", "lineage"])
    known = cells[cells["lineage"] != names.UNKNOWN].groupby("environment", observed=True).size()
    assert (known > 100).all()
    assert set(known.index) == {"STIE", "TIME"}
