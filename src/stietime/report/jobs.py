"""Which job writes each output: its log is where a failure is told."""

from __future__ import annotations

from typing import Final

WRITTEN_BY: Final = {
    "ingest/{sample}": ("counts",),
    "assess_quality/{sample}": (
        "quality",
        "quality_cuts",
        "lineage_losses",
        "ambient",
        "sample_quality",
    ),
    "correct_ambient/{sample}": ("ambient_corrected",),
    "collect_samples": ("samples",),
    "integrate": (
        "embedding",
        "variable_genes",
        "integration_metrics",
    ),
    "cluster": ("clusters",),
    "describe_clusters": (
        "cluster_resolutions",
        "cluster_quality",
        "cluster_markers",
    ),
    "annotate": ("cell_types",),
    "validate_annotation": (
        "annotation_confusion",
        "annotation_scores",
        "annotation_calibration",
    ),
    "infer_copy_number": (
        "copy_number",
        "copy_number_samples",
        "copy_number_arms",
        "copy_number_profile",
    ),
    "score_states": (
        "states",
        "state_rules",
        "state_genes",
        "state_examples",
    ),
    "profile_states": (
        "state_likeness",
        "state_profiles",
        "state_agreement",
    ),
    "collect_cells": ("cells",),
    "compare": (
        "composition",
        "contrasts",
        "patient_values",
    ),
    "compare_expression": (
        "differential_expression",
        "regulators",
        "expression_tests",
    ),
    "measure_preference": ("tissue_preference",),
    "weigh_claims": ("claims",),
    "read_receptors/{sample}": ("receptors",),
    "compare_clones": (
        "clonotypes",
        "clone_contrasts",
        "clones",
        "receptor_counts",
    ),
    "compare_sections": (
        "sections",
        "section_contrasts",
    ),
    "check_simulation": ("planted",),
    "ingest_section/{section}": ("section_counts",),
    "assess_section/{section}": ("section_quality",),
    "map_cells/{section}": ("section_cell_types",),
    "find_neighbourhoods/{section}": (
        "neighbourhoods",
        "co_occurrence",
        "architecture",
        "spots",
    ),
    "measure_distances/{section}": (
        "cross_k",
        "nearest_distances",
    ),
    "find_structures/{section}": (
        "infiltration",
        "structures",
        "capsule",
        "proximity",
        "structure_cells",
    ),
    "call_section_states/{section}": (
        "section_states",
        "section_state_rules",
    ),
    "find_interactions/{section}": (
        "interactions",
        "interaction_profiles",
    ),
    "find_niches": (
        "section_niches",
        "niches",
        "niche_numbers",
        "niche_shares",
    ),
    "make_profiles": ("type_profiles",),
    "deconvolve_spots/{section}": ("proportions",),
    "describe_spots/{section}": (
        "proportion_pairs",
        "spot_scores",
        "lymphoid_hotspots",
        "spatially_variable_genes",
    ),
    "record_provenance": ("provenance",),
}
JOBS: Final = {output: job for job, outputs in WRITTEN_BY.items() for output in outputs}
