"""The claims of the reviews, weighed: by a real cohort of lung cancer, and where the truth is planted.

The cohort is the configuration that ships for Zilionis 2019 (GSE127465): 300 cells of seven patients.
What is testable was fixed before it was measured: claims on cells (fractions and scores) of NSCLC at baseline
whose design the cohort holds. The planted cohorts are those of the demo over many seeds, cells labelled by
their truth; a claim on a planted state is right to be supported where the planted difference has its sign.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.public_data import ZILIONIS, not_found
from benchmarks.record import NAN, Figure
from benchmarks.statistics_demo import planted, tables_of
from stietime import names, storage
from stietime.cohort.claims.claims import weigh
from stietime.cohort.claims.evidence import gather_evidence
from stietime.cohort.claims.reasons import REASONS
from stietime.cohort.claims.verdicts import Margins
from stietime.resources import read_claims

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = Path("results") / "nsclc_zilionis2019"
CONFIG: Final = Path("config") / "datasets" / "nsclc_zilionis2019" / "config.yaml"
CASE: Final = "NSCLC, blood and tumour of seven patients, 300 cells (Zilionis 2019)"
N_CLAIMS: Final = 516
ENOUGH: Final = 0.8
WELL: Final = 0.95
SEEDS: Final = 100
MARGINS: Final = Margins(0.5, 0.05, 0.5)


def figures(*, quick: bool) -> list[Figure]:
    """Weigh the claims by lung cancer patients, by one of them, and by planted cohorts.

    Parameters
    ----------
    quick
        Ten planted cohorts.
    """
    return [*_zilionis(), *_planted(SEEDS // 10 if quick else SEEDS)]


def counts_as_testable(claims: pd.DataFrame, contrasts: pd.DataFrame) -> pd.Series:
    """Say which claims count as testable: on cells of NSCLC at baseline, by a design that the cohort holds.

    Parameters
    ----------
    claims
        `claims.tsv`.
    contrasts
        `contrasts.tsv`.
    """
    of_cells = claims["testable"].isin(["cell_fraction", "signature"]) & (claims["kind"] == "cell")
    baseline = (claims["cancer"] == "NSCLC") & (claims["context"] == "baseline")
    return of_cells & baseline & claims["design"].isin(set(contrasts["design"]))


def _zilionis() -> list[Figure]:
    told = "testable claims on cells with a verdict other than not testable"
    if not ZILIONIS.is_file():
        return [not_found(CASE, told, f">= {ENOUGH}")]
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "config").symlink_to(ROOT / "config")
        _call(
            ["run", "--configfile", str(CONFIG), "--cores", "1", "--", str(RESULTS / "cohort/claims.tsv")],
            here,
        )
        claims = storage.read_table(here / RESULTS / "cohort" / "claims.tsv")
        contrasts = storage.read_table(here / RESULTS / "cohort" / "contrasts.tsv")
        alone = _one_patient(here)
    rows = claims[counts_as_testable(claims, contrasts)]
    weighed = rows[rows["verdict"] != names.NOT_TESTABLE]
    share = len(weighed) / len(rows) if len(rows) else NAN
    n_alone = int((alone["verdict"] != names.NOT_TESTABLE).sum())
    listed = float(claims["reason"].isin(REASONS).mean())
    exhaustive = len(claims) == N_CLAIMS and claims["claim_id"].is_unique
    return [
        Figure(CASE, told, share, target=f">= {ENOUGH}", met=share >= ENOUGH, n=len(rows)),
        Figure(CASE, "fewest patients behind a verdict", float(weighed["n_patients"].min()), n=len(weighed)),
        Figure(CASE, "most patients behind a verdict", float(weighed["n_patients"].max()), n=len(weighed)),
        Figure(CASE, "claims out for 516 in", len(claims), target="= 516", met=exhaustive, n=N_CLAIMS),
        Figure(
            CASE, "share of reasons of the documented list", listed,
            target="= 1", met=listed == 1, n=len(claims),
        ),
        Figure(
            "the same, one patient", "claims with a verdict other than not testable", n_alone,
            target="= 0", met=n_alone == 0 and len(alone) == N_CLAIMS, n=len(alone),
        ),
    ]  # fmt: skip


def _one_patient(here: Path) -> pd.DataFrame:
    """Weigh the claims by the first patient alone: the same cells, by the commands of the run's own logs."""
    cohort = here / RESULTS / "cohort"
    cells = storage.read_table(cohort / "cells.parquet")
    first = min(cells[names.PATIENT])
    own = cells[cells[names.PATIENT] == first]
    storage.write_table(own, here / "one" / "cells.parquet")
    samples = storage.read_table(cohort / "samples.tsv")
    kept = samples[samples[names.SAMPLE].isin(own[names.SAMPLE])]
    storage.write_table(kept, here / "one" / "samples.tsv")
    counts = [here / RESULTS / "cells" / sample / "counts.h5ad" for sample in kept[names.SAMPLE]]
    settings = ["--settings", _settings_of(here / RESULTS / "logs" / "weigh_claims.log")]
    one = {
        name: here / "one" / f"{name}.tsv"
        for name in ("composition", "contrasts", "patient_values", "claims")
    }
    tables = ["--composition", one["composition"], "--contrasts", one["contrasts"]]
    inputs = ["--cells", here / "one" / "cells.parquet"]
    more = ["--samples", here / "one" / "samples.tsv", "--patient-values", one["patient_values"]]
    _call(["step", "compare", *inputs, "--counts", *counts, *more, *tables, *settings], here)
    _call(["step", "weigh-claims", *inputs, *tables, *settings, "--output", one["claims"]], here)
    return storage.read_table(one["claims"])


def _settings_of(log: Path) -> str:
    words = shlex.split(log.read_text(encoding="utf-8").splitlines()[0])
    return words[words.index("--settings") + 1]


def _call(words: Sequence[object], folder: Path) -> None:
    data = {"STIETIME_DATA": str(ZILIONIS.parent.parent.resolve())}
    command = [sys.executable, "-m", "stietime.cli", *map(str, words)]
    found = subprocess.run(
        command, cwd=folder, env={**os.environ, **data}, capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise RuntimeError(found.stderr[-2000:])


def _planted(seeds: int) -> list[Figure]:
    """Count how the claims on planted states are decided."""
    truth = planted()
    claims = read_claims()
    right = wrong = weighed = 0
    for seed in range(1, seeds + 1):
        contrasts, composition, samples = tables_of(seed, planted=True)
        evidence = gather_evidence(contrasts, composition, samples)
        found = weigh(claims, evidence, alpha=0.05, margins=MARGINS)
        for row in found[found["verdict"] != names.NOT_TESTABLE].to_dict("records"):
            effect = truth.get((row["contrast"], row["entity_tested"]), 0.0)
            if effect == 0 or row["expected"] not in ("up", "down"):
                continue
            agrees = np.sign(effect) == (1 if row["expected"] == "up" else -1)
            weighed += 1
            right += row["verdict"] == (names.SUPPORTED if agrees else names.CONTRADICTED)
            wrong += row["verdict"] == (names.CONTRADICTED if agrees else names.SUPPORTED)
    case, decided = "demo, 4 patients, true labels", right + wrong
    share = right / decided if decided else NAN
    return [
        Figure(
            case, "of the decided claims on planted states, share decided as planted", share,
            target=f">= {WELL}", met=share >= WELL, n=decided, seed=1,
        ),
        Figure(
            case, "share of the claims on planted states that are decided", decided / weighed,
            n=weighed, seed=1,
        ),
    ]  # fmt: skip
