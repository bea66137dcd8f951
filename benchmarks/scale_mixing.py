"""Harmony beside its original in R, and how real batches mix before and after it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from benchmarks.chain_runs import run_chain, sheet_row
from benchmarks.public_data import CHEMISTRIES, DATA, not_found
from benchmarks.record import Figure
from stietime import names, storage
from stietime.cells.embedding.integration import correct_for_batch
from stietime.cells.embedding.mixing import local_diversity

if TYPE_CHECKING:
    from collections.abc import Mapping

R_REFERENCE: Final = DATA / "harmonypy_reference_R"
MIN_CORRELATION: Final = 0.99
MAX_LISI_ERROR: Final = 0.02
MAX_CLISI_RISE: Final = 0.05
# the authors' types by the names used here
SYMPHONY_TYPES: Final = {
    "T_CD4": "cd4_t",
    "T_CD8": "cd8_t",
    "Mono_CD14": "mono_cd14",
    "Mono_CD16": "mono_cd16",
    "B": "b_cell",
    "NK": "nk",
    "DC": "dc",
    "MK": "platelet",
    "HSC": "unknown",
}
SYMPHONY: Final = DATA / "symphony_pbmc_1200" / "symphony_pbmc_1200.h5ad"


def figures() -> list[Figure]:
    """Measure the agreement with R, and the mixing of real data, run as typed."""
    return [*_as_in_r(), *_symphony(), *_chemistries()]


def _table(name: str) -> pd.DataFrame:
    return pd.read_csv(R_REFERENCE / f"{name}.tsv.gz", sep="\t")


def _as_in_r() -> list[Figure]:
    case = "3,500 PBMC of the R package harmony"
    correlation, error = "correlation with R's Harmony, worst component", "largest relative error of LISI"
    targets = f">= {MIN_CORRELATION:g}", f"<= {MAX_LISI_ERROR:g}"
    if not R_REFERENCE.is_dir():
        return [not_found(case, correlation, targets[0]), not_found(case, error, targets[1])]
    points, donors = _table("pbmc_3500_pcs").to_numpy(), _table("pbmc_3500_meta")["donor"]
    ours, theirs = correct_for_batch(points, donors.tolist()).embedding, _table("pbmc_3500_pcs_harmonized")
    pairs = zip(ours.T, theirs.to_numpy().T, strict=True)
    worst = min(float(np.corrcoef(one, other)[0, 1]) for one, other in pairs)
    labels, lisi = _table("lisi_metadata"), _table("lisi_lisi")
    found = local_diversity(_table("lisi_x").to_numpy(), labels)
    errors = [float((found[name] / lisi[name] - 1).abs().max()) for name in labels.columns]
    return [
        Figure(
            case, correlation, worst, target=targets[0], met=worst >= MIN_CORRELATION, n=len(points), seed=1
        ),
        Figure(
            "points of the R package lisi",
            error,
            max(errors),
            target=targets[1],
            met=max(errors) <= MAX_LISI_ERROR,
            n=len(found),
        ),
    ]


def _symphony() -> list[Figure]:
    case = "PBMC of three technologies, from log values (Symphony)"
    rows = [sheet_row(donor, SYMPHONY, subset=f"donor={donor}") for donor in ("3pv1", "3pv2", "5p")]
    inputs = {"values": "log1p", "cell_type_column": "cell_type", "cell_type_names": SYMPHONY_TYPES}
    return _mixing(case, rows, "given_cell_type", {"inputs": inputs})


def _chemistries() -> list[Figure]:
    rows = [sheet_row(path.stem, path) for path in CHEMISTRIES]
    return _mixing("PBMC of three 10x chemistries", rows, names.PROVISIONAL_LINEAGE, {})


def _mixing(case: str, rows: list[dict[str, str]], types: str, options: Mapping[str, object]) -> list[Figure]:
    metrics = "iLISI of the batch after Harmony, before as peer", f"cLISI of {types}, before as peer"
    targets = "> before", f"<= before + {MAX_CLISI_RISE:g}"
    if not all(Path(row["path"]).is_file() for row in rows):
        return [not_found(case, metric, target) for metric, target in zip(metrics, targets, strict=True)]
    table = _integrated(rows, options)
    table = table[table["stratum"] == "all"].set_index(["metric", "embedding"])
    batch, kind = (table["value"][f"lisi_{name}"] for name in ("batch", types))
    n = int(table["n"]["lisi_batch", "harmony"])
    met = batch["harmony"] > batch["pca"], kind["harmony"] <= kind["pca"] + MAX_CLISI_RISE
    return [
        Figure(case, metric, float(found["harmony"]), float(found["pca"]), "before", target, bool(good), n, 1)
        for metric, found, target, good in zip(metrics, (batch, kind), targets, met, strict=True)
    ]


def _integrated(rows: list[dict[str, str]], options: Mapping[str, object]) -> pd.DataFrame:
    """Run the chain up to the integration, as typed, and read its metrics."""
    target = names.Outputs("results").integration_metrics
    with tempfile.TemporaryDirectory() as name:
        run_chain(rows, options, [target], Path(name))
        return storage.read_table(Path(name) / target)
