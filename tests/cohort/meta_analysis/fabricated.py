"""Tables of small cohorts, written by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from scipy import stats

from stietime.cohort.meta_analysis.questions import Cohort
from stietime.cohort.testing.contrasts import COLUMNS
from stietime.resources import read_claims
from stietime.storage import write_table, write_text

BLOOD = "stie_vs_time"
AFTER = "after_vs_before:TIME"


def row(
    entity,
    estimate,
    *,
    contrast=BLOOD,
    se=0.2,
    df=5.0,
    q=0.5,
    kind="cell_fraction",
    status="tested",
    **further,
):
    """Make one row of the contrasts of a cohort of six pairs."""
    half = stats.t.ppf(0.975, df) * se
    numbers = {
        "estimate": estimate, "se": se, "df": df, "ci_low": estimate - half, "ci_high": estimate + half,
        "p": 2 * stats.t.sf(abs(estimate) / se, df), "q": q,
    }  # fmt: skip
    if status not in ("tested", "confounded"):
        numbers = dict.fromkeys(numbers, np.nan)
    told = {
        "contrast": contrast, "entity": entity, "kind": kind, "status": status, "n_patients": 6, "n_pairs": 6,
        "design": contrast.partition(":")[0].partition(";")[0], "environment": "", "cancer": "NSCLC",
        "treatment": "untreated", "parent": "immune" if kind == "cell_fraction" else "", "note": "",
        "method": "moderated paired t of patients' differences",
    }  # fmt: skip
    return told | numbers | further


def contrasts(*rows):
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def claims(**weighed):
    """Give the claims of a cohort: those named point to a row of the contrasts, the others to none.

    Parameters
    ----------
    weighed
        By claim id with `_` for `-`: verdict, reason, contrast, kind and entity.
    """
    table = read_claims()
    own = pd.DataFrame(
        {
            "claim_id": table["claim_id"], "verdict": "not testable", "reason": "design not in cohort",
            "detail": "", "contrast": "", "entity_tested": "", "kind_tested": "",
        }
    )  # fmt: skip
    for claim, values in weighed.items():
        at = own["claim_id"] == claim.replace("_", "-")
        assert at.sum() == 1
        columns = ["verdict", "reason", "contrast", "kind_tested", "entity_tested"]
        own.loc[at, columns] = np.array(values, dtype=object)
    return own


def cohort(name, *rows, scales=None, definitions=None, **weighed):
    return Cohort(name, contrasts(*rows), claims(**weighed), scales or {}, definitions or {})


def folder_of(
    path, one, *, patients=("p1", "p2", "p3"), species="human", seed=1, inputs=None, settings=None, **record
):
    """Write what `stietime combine` reads of a run."""
    rng = np.random.default_rng(seed)
    samples = [(f"{patient}_{place}", patient, place) for patient in patients for place in ("STIE", "TIME")]
    table = pd.DataFrame(samples, columns=["sample", "patient", "environment"])
    cells = rng.integers(100, 900, len(table))
    medians = rng.uniform(500, 3000, (3, len(table)))
    table = table.assign(
        n_measured=cells, n_kept=cells - 10, median_counts=medians[0], median_genes=medians[1],
        median_pct_mito=medians[2] / 500,
    )  # fmt: skip
    composition = table[["sample"]].assign(entity="nk", cancer="NSCLC", species=species)
    told = {
        "stietime": "0.1.0", "git_commit": "abc", "date": "2026-01-02T03:04:05+00:00", "config_sha256": "0",
        "settings": {"results_dir": f"runs/{one.name}", "comparison": {"alpha": 0.05}, **(settings or {})},
        "inputs": [{"path": f"{one.name}.h5ad", "sha256": one.name}] if inputs is None else inputs,
    }  # fmt: skip
    write_table(one.contrasts, path / "cohort" / "contrasts.tsv")
    write_table(one.claims, path / "cohort" / "claims.tsv")
    write_table(table, path / "cohort" / "samples.tsv")
    write_table(composition, path / "cohort" / "composition.tsv")
    write_text(json.dumps(told | record), path / "provenance.json")
    return path
