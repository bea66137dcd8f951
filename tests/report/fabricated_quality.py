"""Fabricated tables of the quality of one sample, with every column of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stietime import names
from stietime.storage import write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# median counts and mitochondrial share of each lineage
LINEAGES = {
    "t_cell": (2500, 5.0), "monocyte": (4000, 7.0), "neutrophil": (600, 2.0), "erythroid": (900, 1.0),
    "epithelial": (9000, 14.0), names.UNCLEAR: (400, 9.0),
}  # fmt: skip
DROPPED = ("empty", "doublet", "doublet", "high_mito", "high_mito", "low_genes")
METRICS = ("n_counts", "n_genes", "pct_mito")
AMBIENT = (
    ("HBB", 0.08, 0.02, "erythroid"), ("S100A8", 0.05, 0.03, "neutrophil,monocyte"),
    ("MALAT1", 0.03, 0.04, ""), ("IGKC", 0.02, 0.004, "plasma"),
    *((f"GENE{i}", 0.01 / (i + 1), 0.01 / (i + 2), "") for i in range(30)),
)  # fmt: skip


def quality_of(
    sample: str,
    rng: np.random.Generator,
    n_cells: int = 60,
    dropped: Sequence[str] = DROPPED,
    lineages: Mapping[str, tuple[float, float]] = LINEAGES,
) -> pd.DataFrame:
    """Make cells, the last of them dropped for the reasons given."""
    reason = np.array(["kept"] * (n_cells - len(dropped)) + list(dropped), dtype=object)
    kinds = list(lineages)
    lineage = np.array([kinds[i % len(kinds)] for i in range(n_cells)], dtype=object)
    middle = np.array([lineages[kind] for kind in lineage], dtype=float).reshape(-1, 2)
    counts = np.exp(rng.normal(np.log(middle[:, 0]), 0.4))
    mito = middle[:, 1] * np.exp(rng.normal(0, 0.4, n_cells))
    counts[reason == "empty"] = rng.integers(5, 40, (reason == "empty").sum())
    counts[reason == "doublet"] *= 2
    mito[reason == "high_mito"] = rng.uniform(35, 90, (reason == "high_mito").sum())
    doublet = reason == "doublet"
    score = np.where(doublet, rng.uniform(0.4, 0.9, n_cells), rng.beta(2, 12, n_cells).clip(0, 0.35))
    erythroid = lineage == "erythroid"
    kind = np.where(erythroid, rng.choice(["red_cell", "reticulocyte", "nucleated_erythroid"], n_cells), "")
    kind[np.flatnonzero(~erythroid)[::17]] = "ambient_haemoglobin"
    return pd.DataFrame(
        {
            "cell": [f"{sample}:c{i}" for i in range(n_cells)],
            "n_genes": (counts**0.85).astype(int), "n_counts": counts.astype(int), "pct_mito": mito,
            "pct_ribo": rng.uniform(0, 40, n_cells),
            "pct_hb": np.where(erythroid, rng.uniform(40, 95, n_cells), rng.exponential(0.4, n_cells)),
            "pct_stress": rng.exponential(2, n_cells), "pct_top_genes": rng.uniform(20, 60, n_cells),
            "complexity": rng.normal(0.85, 0.02, n_cells), "pct_intronic": np.nan,
            "provisional_lineage": lineage, "erythroid_kind": kind, "doublet_score": score,
            "is_doublet": doublet, "doublet_evidence": np.where(doublet, "score", ""),
            "keep": reason == "kept", "reason": reason,
        }
    )  # fmt: skip


def cuts_of(sample: str, quality: pd.DataFrame, alone: int = 50) -> pd.DataFrame:
    """Make cuts of the whole sample and of each lineage of enough cells, and those of no lineage."""
    sizes = quality["provisional_lineage"].value_counts()
    judged = [lineage for lineage, n in sizes.items() if n >= alone]
    dropped = quality["reason"]
    rows = [
        (sample, "all", "empty", 50.0, np.nan, np.nan, np.nan, len(quality), (dropped == "empty").sum(), "")
    ]
    for lineage in ["all", *judged]:
        own = quality["provisional_lineage"] == lineage
        removes = own if lineage != "all" else ~quality["provisional_lineage"].isin(judged)
        here = quality[own] if lineage != "all" else quality
        for metric, words in (("n_counts", "counts"), ("n_genes", "genes"), ("pct_mito", "mito")):
            middle = here[metric].median()
            lower, upper = (np.nan, 30.0) if metric == "pct_mito" else (middle / 8, middle * 8)
            n_removed = int((removes & dropped.str.endswith(words)).sum())
            rows.append((sample, lineage, metric, lower, upper, middle, 0.3, len(here), n_removed, ""))
        never = (np.nan, np.nan, 2.0, 1.0, len(here), 0, "measured, never a filter")
        rows.append((sample, lineage, "pct_stress", *never))
    n_doublets = int((dropped == "doublet").sum())
    rows.append((sample, "all", "doublet_score", np.nan, 0.4, 0.1, np.nan, len(quality), n_doublets, ""))
    columns = [
        "sample",
        "lineage",
        "metric",
        "lower",
        "upper",
        "median",
        "mad",
        "n_cells",
        "n_removed",
        "note",
    ]
    return pd.DataFrame(rows, columns=columns)


def losses_of(sample: str, quality: pd.DataFrame, max_loss: float = 0.2) -> pd.DataFrame:
    """Count what each lineage lost for each reason, and in all."""
    rows = []
    dropped = sorted(set(quality["reason"]) - {"kept"})
    for lineage, here in quality.groupby("provisional_lineage"):
        others = quality[quality["provisional_lineage"] != lineage]
        for reason in [*dropped, "any"]:
            lost, rest = (
                int((f["reason"] == reason).sum() if reason != "any" else (~f["keep"]).sum())
                for f in (here, others)
            )
            fraction, other = lost / len(here), rest / max(len(others), 1)
            warned = reason == "any" and fraction > max_loss and fraction > 2 * other
            words = f"loses {fraction:.0%} of its cells, the others {other:.0%}" if warned else ""
            p = 0.001 if warned else 0.4
            rows.append((sample, lineage, reason, len(here), lost, fraction, other, p, words))
    columns = [
        "sample",
        "lineage",
        "reason",
        "n_cells",
        "n_removed",
        "fraction",
        "rest_fraction",
        "p",
        "warning",
    ]
    return pd.DataFrame(rows, columns=columns)


def ambient_table() -> pd.DataFrame:
    """Make the ambient profile, the largest share first."""
    frame = pd.DataFrame(AMBIENT, columns=["gene", "ambient_share", "cell_share", "marker_of"])
    ratio = np.log2(frame["ambient_share"] / frame["cell_share"])
    named = frame["marker_of"].str.replace(",", ", ")
    words = named.map(lambda sets: f"{sets}: seen in 30% of cells" if sets else "")
    return frame.assign(log2_ratio=ratio, could_fake=words).sort_values("ambient_share", ascending=False)


def summary_of(row: Mapping[str, Any], quality: pd.DataFrame, **changed: object) -> pd.DataFrame:
    """Make the one row of the sample; `changed` replaces values."""
    kept = quality[quality["keep"]]
    known = {key: row.get(key, "") for key in ("sample", "patient", "environment", "timepoint")}
    values: dict[str, object] = {
        **known, "verdict": names.USABLE, "reason": "", "n_measured": len(quality), "n_kept": len(kept),
        "median_counts": kept["n_counts"].median(), "median_genes": kept["n_genes"].median(),
        "median_pct_mito": kept["pct_mito"].median(), "saturation": 0.83, "contamination": 0.042,
        "contamination_low": 0.031, "contamination_high": 0.055, "contamination_source": "estimated",
        "contamination_note": "", "doublet_rate_expected": 0.04,
        "n_doublets": int(quality["is_doublet"].sum()), "doublet_note": "", "sex_expressed": "female",
        "sex_sheet": "female", "n_lineage_warnings": 0, "n_empty_droplets": 0,
    }  # fmt: skip
    return pd.DataFrame([{**values, **changed}])


def write_quality(
    path_of: Callable[[str], Path], row: Mapping[str, Any], quality: pd.DataFrame, **changed: object
) -> pd.DataFrame:
    """Write every quality table of a sample and return its row of `samples.tsv`."""
    sample = str(row["sample"])
    losses = losses_of(sample, quality)
    n_warnings = int((losses["warning"] != "").sum())
    summary = summary_of(row, quality, **{"n_lineage_warnings": n_warnings, **changed})
    tables = {
        "quality": quality, "quality_cuts": cuts_of(sample, quality), "lineage_losses": losses,
        "ambient": ambient_table(), "sample_quality": summary,
    }  # fmt: skip
    for output, frame in tables.items():
        write_table(frame, path_of(output))
    return summary.assign(swap="")
