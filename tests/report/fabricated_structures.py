"""Fabricated tables of tissue structures and niches."""

from __future__ import annotations

import numpy as np
import pandas as pd

NICHES = ("1: epithelial", "2: t_cell + macrophage")


def structure_tables(spots: pd.DataFrame, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Make the tables of one section: an aggregate of each kind, a capsule, profiles and distances."""
    part = np.where(spots["x_um"] < 100, "core", np.where(spots["x_um"] > 320, "core", ""))
    structure = np.where(part == "", "", np.where(spots["x_um"] < 100, "1", "2"))
    cells = pd.DataFrame(
        {"cell": spots["cell"], "structure": structure, "structure_part": part, "in_tls": structure == "1"}
    )
    number = pd.array(rng.integers(1, 3, len(spots)), dtype="Int64")
    number[0] = pd.NA
    niche = pd.DataFrame({"cell": spots["cell"], "niche": number})
    niche["niche_name"] = [None if pd.isna(n) else NICHES[n - 1] for n in number]
    found = pd.DataFrame(
        [
            ("1", "tls", 50.0, 150.0, 40, 60, 30, 2, 0.8, 0.2, 0.01, 110.0, 80.0, 1.0, ""),
            ("2", "b_cell_aggregate", 360.0, 150.0, 30, 52, 3, 0, 0.9, 0.05, 0.01, 100.0, 30.0, 0.6, ""),
        ],
        columns=[
            "structure", "kind", "x_um", "y_um", "n_core", "n_b", "n_t", "n_dc", "b_share", "t_share",
            "area_mm2", "diameter_um", "distance_to_boundary_um", "confidence", "note",
        ],
    )  # fmt: skip
    capsule = pd.DataFrame(
        [(True, 0.7, 0.6, 0.2, 1.6, 0.02, 0.1, 0.5, -4.6, 50, 40, 60, 0.97, "")],
        columns=[
            "capsule", "coverage", "barrier_share_at_boundary", "barrier_share_beyond", "log2_enrichment",
            "immune_share_inside", "immune_share_at_boundary", "immune_share_beyond", "log2_immune_inside",
            "n_boundary_points", "n_at_boundary", "n_beyond", "confidence", "note",
        ],
    )  # fmt: skip
    pairs = [("cd8_t", "tumour"), ("cd8_t", "vessel"), ("treg", "tumour")]
    near = pd.DataFrame(pairs, columns=["from", "to"]).merge(
        pd.DataFrame({"background": ["all cells", "same region"]}), how="cross"
    )
    near = near.assign(
        n_from=40, n_to=60, n_background=50, median_um=20.0, expected_um=30.0, share_within=0.6,
        expected_within=0.4, within_um=30.0, z=-3.0, p=0.002, note="",
    )  # fmt: skip
    near["q"] = [0.01, 0.01, 0.2, 0.2, np.nan, np.nan]
    near.loc[4:, ["z", "p"]] = np.nan
    near.loc[4:, "note"] = "fewer than 5 cells of a group"
    return {
        "structures": found, "structure_cells": cells, "section_niches": niche, "capsule": capsule,
        "proximity": near, "infiltration": _profiles(),
    } | _interactions() | _states(spots)  # fmt: skip


def _interactions() -> dict[str, pd.DataFrame]:
    """A clear pair between types, one over all cells with its profile, and one off the panel."""
    whole = {"type_a": "all", "type_b": "all"}
    rows = pd.DataFrame(
        [
            {"axis": "PD-L1-PD-1", "ligand": "CD274", "receptor": "PDCD1", **whole, "q": 0.2},
            {"axis": "C", "ligand": "CCL21", "receptor": "CCR7", "type_a": "dc", "type_b": "nk", "q": 0.001},
            {"axis": "Artemin", "ligand": "ARTN", "receptor": "GFRA3+RET", **whole},
        ]
    )  # fmt: skip
    rows = rows.assign(
        distance_um=200.0, observed=0.02, expected=0.01, log2_ratio=1.0, ci_low=0.4, ci_high=1.6, z=4.0,
        p=1e-4,
        n_a=90, n_b=80, n_expressing_a=30, n_expressing_b=40, n_pairs=900, z_receptor=3.0, p_receptor=1e-3,
        q_receptor=0.01, inflation=2.0, p_spatial=0.002, q_spatial=[0.3, 0.01, np.nan], method="moments",
        status="tested", note="",
    )  # fmt: skip
    rows.loc[2, ["observed", "expected", "log2_ratio", "ci_low", "ci_high", "z", "p", "q_receptor"]] = np.nan
    rows.loc[2, ["inflation", "p_spatial"]] = np.nan
    rows.loc[2, ["status", "note"]] = ["not testable", "not testable: ARTN is not on the panel"]
    bins = pd.DataFrame({"from_um": np.arange(0, 200, 25.0), "to_um": np.arange(25, 201, 25.0)})
    kept = ["axis", "ligand", "receptor", "type_a", "type_b", "z"]
    profile = rows.loc[:0, kept].merge(bins, how="cross").assign(n_pairs=90, log2_ratio=0.5)
    return {"interactions": rows, "interaction_profiles": profile}


def _states(spots: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Treg are called, Texp looked for and not found, SPP1+ macrophages not testable."""
    cells = pd.DataFrame({"cell": spots["cell"], "is_treg": spots.index < 12, "is_texp": False})
    rules = pd.DataFrame(
        [
            ("treg", "cd4_t", True, 40, 12, 0.6, "few genes"),
            ("texp", "cd8_t", True, 40, 0, 0.7, ""),
            ("spp1_macrophage", "macrophage", False, 30, None, 0.2, "not testable: 20% of the genes"),
        ],
        columns=["set_id", "parent", "called", "n_parent", "n_called", "coverage", "note"],
    )
    return {"section_states": cells, "section_state_rules": rules}


def _profiles() -> pd.DataFrame:
    edges = np.arange(-100, 101, 20.0)
    tables = [
        pd.DataFrame(
            {
                "level": "lineage", "entity": entity, "from_um": edges[:-1], "to_um": edges[1:], "n": 10,
                "n_cells": 30, "share": 0.3, "area_mm2": 0.01, "per_mm2": 1000.0, "note": "",
            }
        )
        for entity in ("epithelial", "t_cell", "macrophage", "unknown")
    ]  # fmt: skip
    return pd.concat(tables)


def niche_tables(sections: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Make the tables of the niches that the sections share."""
    found = pd.DataFrame(
        {
            "niche": [1, 2], "name": NICHES, "n_cells": [150, 149], "share": [0.5, 0.5], "n_sections": 2,
            "jaccard": [0.9, 0.8], "share_epithelial": [0.9, 0.1], "share_t_cell": [0.05, 0.5],
            "share_macrophage": [0.05, 0.4], "share_dc": [0.0, 0.0],
        }
    )  # fmt: skip
    numbers = pd.DataFrame(
        {
            "n_niches": [2, 3], "lowest_jaccard": [0.8, 0.3], "mean_jaccard": [0.85, 0.5],
            "chosen": [True, False], "note": "",
        }
    )  # fmt: skip
    rows = [(s, n, 75, 149, 150, 0.5) for s in sections for n in (1, 2)]
    columns = ["section", "niche", "n_cells", "n_with_window", "n_all", "share"]
    return {"niches": found, "niche_numbers": numbers, "niche_shares": pd.DataFrame(rows, columns=columns)}


def section_contrast_table() -> pd.DataFrame:
    """A tested row between time points, and one with too few patients."""
    rows = pd.DataFrame(
        [
            ("after_vs_before:TIME", "architecture", "mixing_score", 0.2, 0.01, "tested", ""),
            ("after_vs_before:TIME", "enrichment", "cd8_t - epithelial", 1.0, 0.2, "tested", ""),
            ("TIME_vs_normal", "architecture", "mixing_score", np.nan, np.nan, "not testable", "few"),
        ],
        columns=["contrast", "kind", "entity", "estimate", "q", "status", "note"],
    )  # fmt: skip
    numbers = rows["estimate"].to_numpy()
    return rows.assign(
        ci_low=numbers - 0.1, ci_high=numbers + 0.1, p=rows["q"] / 2, p_exact=rows["q"], n_patients=4,
        n_first=4, n_second=4, mean_first=1.0, mean_second=0.8, method="moderated paired t",
    )  # fmt: skip
