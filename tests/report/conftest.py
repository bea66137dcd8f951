"""A small, fabricated results folder with every table of the contract."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import pytest
from tests.report.fabricated_clusters import cluster_tables
from tests.report.fabricated_copy_numbers import copy_number_tables
from tests.report.fabricated_expression import expression_tables
from tests.report.fabricated_quality import quality_of, write_quality
from tests.report.fabricated_structures import niche_tables, section_contrast_table, structure_tables

from stietime import names
from stietime.cohort.claims.conflicts import conflict_groups
from stietime.cohort.composition.tissue_preference import tissue_preference
from stietime.report.results import Results
from stietime.resources import read_claims
from stietime.settings import Settings
from stietime.storage import write_table, write_text

if TYPE_CHECKING:
    from pathlib import Path

N_CELLS = 60
N_SPOTS = 150
PATIENTS = ("p1", "p2", "p3")
TYPES = (
    ("t_cell", "cd8_t"), ("t_cell", "cd4_t"), ("monocyte", "mono_cd14"), ("neutrophil", "neutrophil"),
    ("erythroid", "erythroid"), ("epithelial", "epithelial"),
)  # fmt: skip
PARENTS = {
    "texp": "cd8_t",
    "treg": "cd4_t",
    "m_mdsc": "mono_cd14",
    "pmn_mdsc": "neutrophil",
    "ter_cell": "all",
}
TYPE_OF_STATE = {**PARENTS, "ter_cell": "erythroid"}


@dataclass(frozen=True)
class Fabricated:
    """A results folder and its sample sheet."""

    folder: Path
    sheet: pd.DataFrame

    def open(self, name: str = "", page: str = "index", **settings) -> Results:
        chosen = Settings.model_validate({"simulation": {}, **settings})
        page_file = self.folder / "reports" / f"{name or page}.html"
        return Results(self.folder, page_file, chosen, self.sheet, name=name, own_log="logs/report.log")

    def path(self, output: str, name: str = "") -> Path:
        return self.folder / names.OUTPUT_PATHS[output].format(sample=name, section=name)


def _sheet() -> pd.DataFrame:
    rows = [
        {
            "sample": f"{patient}_{tissue}_{time}", "patient": patient, "environment": environment,
            "tissue": tissue, "modality": "cells", "format": "h5ad", "path": "x.h5ad",
            "batch": "b1" if patient == "p1" else "b2", "species": "human", "cancer": "NSCLC",
            "timepoint": time, "treatment": "immunotherapy", "response": "",
        }
        for patient in PATIENTS
        for tissue, environment in (("blood", names.STIE), ("tumour", names.TIME))
        for time in ("before", "after")
    ]  # fmt: skip
    for i, patient in enumerate(PATIENTS[:2], start=1):
        row = {**rows[2], "sample": f"s{i}", "patient": patient, "modality": "section"}
        rows.append(row)
    return pd.DataFrame(rows)


def _write_counts(path: Path, n_cells: int, n_genes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_group("X").attrs["shape"] = (n_cells, n_genes)
        facts = file.create_group("uns/ingest")
        facts["format"] = "h5ad"
        facts["n_renamed"] = 3


def _write_sample(
    folder: Path, row: dict[str, object], rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    sample = str(row["sample"])
    quality = quality_of(sample, rng, N_CELLS)
    _write_counts(folder / "cells" / sample / "counts.h5ad", N_CELLS, 900)
    summary = write_quality(
        lambda output: folder / names.OUTPUT_PATHS[output].format(sample=sample), row, quality
    )
    return quality[quality["keep"]], summary


def _cells(kept: pd.DataFrame, sheet: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    cells = kept[["cell"]].reset_index(drop=True)
    cells["sample"] = cells["cell"].str.rpartition(":")[0]
    columns = ["sample", "patient", "environment", "timepoint", "batch"]
    cells = cells.merge(sheet[columns], on="sample")
    kind = rng.integers(0, len(TYPES), len(cells))
    cells["cluster"] = kind.astype(str)
    cells["lineage"] = [TYPES[k][0] for k in kind]
    cells["cell_type"] = [TYPES[k][1] for k in kind]
    cells["cell_type_confidence"] = rng.uniform(0.4, 1, len(cells))
    for state, kind_name in TYPE_OF_STATE.items():
        cells[f"is_{state}"] = (cells["cell_type"] == kind_name) & (rng.random(len(cells)) < 0.3)
        cells[f"score_{state}"] = rng.random(len(cells))
        inside = cells["cell_type"] == kind_name
        cells[f"evidence_{state}"] = np.where(inside, rng.normal(0, 3, len(cells)), np.nan)
    cells["score_artemin_axis"] = rng.random(len(cells))
    return cells


def _composition(cells: pd.DataFrame, sheet: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for sample, part in cells.groupby("sample"):
        for state, parent in PARENTS.items():
            inside = part if parent == "all" else part[part["cell_type"] == parent]
            n = int(inside[f"is_{state}"].sum())
            measured = len(inside) >= 5
            rows.append(
                (sample, state, "state", n, parent, len(inside), n / len(inside) if measured else np.nan)
            )
    frame = pd.DataFrame(rows, columns=["sample", "entity", "level", "n", "parent", "n_parent", "fraction"])
    frame["note"] = np.where(frame["fraction"].isna(), "fewer than 5 parent cells", "")
    return frame.merge(sheet[["sample", "patient", "environment", "timepoint"]], on="sample")


def _preference(cells: pd.DataFrame, sheet: pd.DataFrame) -> pd.DataFrame:
    counted = _composition(cells, sheet).assign(treatment="immunotherapy", donor=False)
    limits = {"min_parent_cells": 1, "min_patients": 2}
    return tissue_preference(counted, before="before", after="after", **limits)


def _contrasts(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for contrast in ("stie_vs_time", "after_vs_before:STIE", "after_vs_before:TIME"):
        entities = [(state, "cell_fraction") for state in names.STATES]
        for entity, kind in [*entities, ("ifng_response", "signature"), ("PDCD1", "gene_expression")]:
            middle = rng.normal()
            tested = entity != "pmn_mdsc"
            numbers = (middle, middle - 0.5, middle + 0.5, 0.01, 0.03) if tested else (np.nan,) * 5
            note = "" if tested else "not measured: no patient has enough neutrophils"
            rows.append((contrast, entity, kind, *numbers, 3, 3, "moderated paired t", note))
    columns = ["contrast", "entity", "kind", "estimate", "ci_low", "ci_high", "p", "q"]
    return pd.DataFrame(rows, columns=[*columns, "n_patients", "n_pairs", "method", "note"])


def _claims(rng: np.random.Generator) -> pd.DataFrame:
    claims = read_claims()
    claims["verdict"] = rng.choice(names.VERDICTS, len(claims), p=(0.1, 0.02, 0.05, 0.23, 0.6))
    tested = claims["verdict"] != names.NOT_TESTABLE
    for column in ("estimate", "ci_low", "ci_high", "p", "q"):
        claims[column] = np.where(tested, rng.random(len(claims)), np.nan)
    claims["n_patients"] = claims["n_pairs"] = np.where(tested, 3, 0)
    claims["ci_low"] = claims["estimate"] - 0.5
    claims["ci_high"] = claims["estimate"] + 0.5
    tests = {"contrast": "stie_vs_time", "entity_tested": "treg", "kind_tested": "cell_fraction"}
    tests |= {"equivalence_margin": 0.5, "p_equivalence": 0.7, "power": 0.2, "detectable": 1.5}
    for column, value in tests.items():
        claims[column] = pd.Series(value, index=claims.index).where(tested)
    claims["expected"] = claims["direction"].where(tested, "")
    claims["why"] = np.where(tested, "", "cancer")
    claims["conflict_group"] = conflict_groups(claims)
    return claims.assign(reason=np.where(tested, "not significant", "other cancer"), detail="cancers: NSCLC")


def _patient_values(rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        ("stie_vs_time", "cell_fraction", "treg", f"p{patient}", arm, rng.normal(), rng.random(), 3, 10)
        for patient in (1, 2, 3)
        for arm in ("first", "second")
    ]
    columns = ["contrast", "kind", "entity", "patient", "arm", "value", "natural", "n", "n_parent"]
    return pd.DataFrame(rows, columns=columns)


def _write_cohort(folder: Path, sheet: pd.DataFrame, kept: pd.DataFrame, rng: np.random.Generator) -> None:
    cells = _cells(kept, sheet, rng)
    embedding = cells[["cell"]].assign(umap_1=rng.normal(size=len(cells)), umap_2=rng.normal(size=len(cells)))
    cell_types = cells[["cell", "lineage", "cell_type", "cell_type_confidence"]].assign(evidence="CD3D, CD3E")
    metric = pd.DataFrame(
        {
            "embedding": ["pca", "harmony"],
            "metric": "lisi_batch",
            "value": [1.2, 1.7],
            "ideal": 2.0,
            "n": 600,
            "note": "",
        }
    )
    rules = pd.DataFrame(
        [
            (s, PARENTS.get(s, ""), s in PARENTS, "score above threshold, no FOXP3", 0.21, 90, 20, 0.9, "")
            for s in (*names.STATES, "m1_macrophage", "csc", "ifng_response", "artemin_axis")
        ],
        columns=[
            "set_id", "parent", "called", "rule", "threshold", "n_parent", "n_called", "coverage", "note",
        ],
    )  # fmt: skip
    tables = {
        "cells": cells, "embedding": embedding, "cell_types": cell_types, "integration_metrics": metric,
        "state_rules": rules, "composition": _composition(cells, sheet), "contrasts": _contrasts(rng),
        "tissue_preference": _preference(cells, sheet), "claims": _claims(rng),
        "patient_values": _patient_values(rng), "planted": _planted(),
        **cluster_tables(cells), **_state_tables(),
        **copy_number_tables(cells), **expression_tables(),
    }  # fmt: skip
    for output, frame in tables.items():
        write_table(frame, folder / names.OUTPUT_PATHS[output])


OTHER_GENES = (("HLA-DRA", 2.0), ("CD40LG", -1.0))


def _state_tables() -> dict[str, pd.DataFrame]:
    groups = [(place, group) for place in (names.STIE, names.TIME) for group in ("called", "not called")]
    genes = [
        (state, gene, direction, *where, 40, 0.5, 2.5)
        for state in names.STATES
        for gene, direction in (("GZMK", "positive"), ("LAYN", "negative"))
        for where in groups
    ]
    columns = ["state", "gene", "direction", "environment", "group", "n_cells", "share_detected"]
    examples = [
        (state, *where, "p1_blood_before:c1", 3.2, 2400, "GZMK 4")
        for state in names.STATES
        for where in groups
    ]
    shown = ["state", "environment", "group", "cell", "evidence", "n_counts", "genes"]
    return {
        "state_genes": pd.DataFrame(genes, columns=[*columns, "mean_per_10000"]),
        "state_examples": pd.DataFrame(examples, columns=shown),
        "state_agreement": _agreement(),
        "state_profiles": pd.DataFrame(
            [(state, gene, ratio, 3.0, 1.0) for state in names.STATES for gene, ratio in OTHER_GENES],
            columns=["state", "gene", "log2_ratio", "per_10000_with", "per_10000_without"],
        ),
    }


def _agreement() -> pd.DataFrame:
    rows = [(state, 300, 40, 52.3, 0.8, "") for state in names.STATES]
    rows[-1] = (names.STATES[-1], 0, 0, 0.0, np.nan, "not testable: the state is not called in these data")
    return pd.DataFrame(rows, columns=["state", "n_parent", "n_called", "n_expected", "auroc_called", "note"])


def _planted() -> pd.DataFrame:
    rows = [
        ("state_fraction", state, env, "before", 0.2, 0.22, 30, True, "")
        for state in names.STATES
        for env in (names.STIE, names.TIME)
    ]
    rows.append(("section_class", "s1", names.TIME, "before", "infiltrated", "excluded", 150, False, ""))
    columns = ["check", "entity", "environment", "timepoint", "planted", "recovered", "n", "met", "note"]
    return pd.DataFrame(rows, columns=columns)


def _write_section(folder: Path, section: str, rng: np.random.Generator) -> dict[str, object]:
    here = folder / "sections" / section
    _write_counts(here / "counts.h5ad", N_SPOTS, 0)
    lineage = rng.choice(["epithelial", "t_cell", "macrophage", "unknown"], N_SPOTS)
    spots = pd.DataFrame(
        {
            "cell": [f"{section}:c{i}" for i in range(N_SPOTS)], "x_um": rng.uniform(0, 400, N_SPOTS),
            "y_um": rng.uniform(0, 300, N_SPOTS), "lineage": lineage, "cell_type": lineage,
            "region": rng.choice(["tumour", "boundary", "stroma"], N_SPOTS), "n_neighbours": 4,
        }
    )  # fmt: skip
    write_table(spots, here / "spots.parquet")
    write_table(
        spots[["cell", "lineage", "cell_type"]].assign(cell_type_confidence=1.0), here / "cell_types.parquet"
    )
    kinds = sorted(set(lineage))
    pairs = [(a, b) for i, a in enumerate(kinds) for b in kinds[i:]]
    near = pd.DataFrame(pairs, columns=["type_a", "type_b"])
    ratio = rng.normal(size=len(near))
    near = near.assign(
        radius_um=30.0, observed=40, expected=20.0, z=ratio * 3, p=0.01, q=0.02, log2_ratio=ratio
    )
    near.loc[0, ["z", "p", "q", "log2_ratio"]] = np.nan
    sure = {"log2_low": ratio - 0.5, "log2_high": ratio + 0.5, "log2_within": ratio / 2}
    write_table(near.assign(n_a=40, n_b=40, note="", **sure), here / "neighbourhoods.tsv")
    apart = near[["type_a", "type_b", "z", "p", "q"]].set_axis(
        ["type", "nearest_type", "z", "p", "q"], axis=1
    )
    apart = apart.assign(n_cells=40, n_nearest=40, median_um=12.5, share_within=0.9, closer=0.6, note="")
    write_table(apart, here / "nearest_distances.tsv")
    write_table(near.assign(distance_um=10.0, k_um2=300.0), here / "cross_k.tsv")
    curves = near[["type_a", "type_b"]].merge(
        pd.DataFrame({"distance_um": np.arange(10, 201, 10.0)}), how="cross"
    )
    write_table(curves.assign(n_pairs=10, ratio=1 + 20 / curves["distance_um"]), here / "co_occurrence.tsv")
    row = {
        "section": section, "patient": "p1", "class": "infiltrated", "class_keren": "mixed",
        "class_phenotype": "infiltrated", "mixing_score": 0.31, "infiltration": 0.2, "immune_share": 0.3,
        "immune_per_mm2": 512.0, "n_tumour": 50, "n_immune": 60, "confidence": 0.97, "area_mm2": 0.12,
        "n_cells": N_SPOTS, "n_isolated": 2, "note": "",
    }  # fmt: skip
    write_table(pd.DataFrame([row]), here / "architecture.tsv")
    for output, frame in structure_tables(spots, rng).items():
        write_table(frame, folder / names.OUTPUT_PATHS[output].format(section=section))
    return row


def fabricate(folder: Path) -> Fabricated:
    """Write every table of the contract for 12 samples and 2 sections."""
    rng = np.random.default_rng(7)
    sheet = _sheet()
    listed = sheet[sheet["modality"] == "cells"].to_dict("records")
    kept, summaries = zip(*(_write_sample(folder, row, rng) for row in listed), strict=True)
    write_table(pd.concat(summaries), folder / names.OUTPUT_PATHS["samples"])
    _write_cohort(folder, sheet, pd.concat(kept), rng)
    rows = [_write_section(folder, section, rng) for section in ("s1", "s2")]
    write_table(pd.DataFrame(rows), folder / names.OUTPUT_PATHS["sections"])
    write_table(section_contrast_table(), folder / names.OUTPUT_PATHS["section_contrasts"])
    for output, frame in niche_tables(("s1", "s2")).items():
        write_table(frame, folder / names.OUTPUT_PATHS[output])
    record = {
        "stietime": "0", "git_commit": "abc", "packages": {"numpy": "2"}, "settings": {},
        "inputs": [{"path": "x.h5ad", "sha256": "00"}],
        "jobs": [{"job": "integrate", "command": "stietime step integrate", "wall_seconds": 1.0}],
    }  # fmt: skip
    write_text(json.dumps(record), folder / "provenance.json")
    (folder / "reports").mkdir()
    return Fabricated(folder, sheet)


@pytest.fixture
def fabricated(tmp_path: Path) -> Fabricated:
    """A fresh results folder that a test may break."""
    return fabricate(tmp_path / "results")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Fabricated:
    """A results folder that no test changes."""
    return fabricate(tmp_path_factory.mktemp("whole") / "results")
