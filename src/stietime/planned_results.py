"""The kinds of results a run makes, by what there is one of each for; named as in `names.OUTPUT_PATHS`."""

from __future__ import annotations

PER_SAMPLE = (
    *("counts", "quality", "quality_cuts", "lineage_losses", "ambient"),
    *("sample_quality", "sample_report"),
)
PER_SECTION = (
    "section_counts",
    "section_quality",
    "section_cell_types",
    "architecture",
    "spots",
    "interactions",
    "interaction_profiles",
    "section_report",
)
PER_CELL_SECTION = (  # of sections whose positions are cells
    *("section_states", "section_state_rules"),
    *("neighbourhoods", "co_occurrence", "cross_k", "nearest_distances"),
    *("infiltration", "structures", "capsule", "proximity", "structure_cells", "section_niches"),
)
PER_SPOT_SECTION = (
    *("proportions", "proportion_pairs", "spot_scores", "lymphoid_hotspots", "spatially_variable_genes"),
)
PER_COHORT = (
    "samples",
    "embedding",
    "variable_genes",
    "graph",
    "integration_metrics",
    "clusters",
    "cluster_resolutions",
    "cluster_quality",
    "cluster_markers",
    "cell_types",
    "copy_number",
    "copy_number_samples",
    "copy_number_arms",
    "copy_number_profile",
    "states",
    "state_rules",
    "state_genes",
    "state_examples",
    "state_likeness",
    "state_profiles",
    "state_agreement",
    "cells",
    "composition",
    "contrasts",
    "patient_values",
    *("differential_expression", "regulators", "expression_tests"),
    "tissue_preference",
    "claims",
    "cohort",
)
