"""Every AnnData slot, table column and output path that other code or users rely on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# environments of a sample
STIE: Final = "STIE"
TIME: Final = "TIME"
NORMAL: Final = "normal"
LYMPH_NODE: Final = "lymph_node"
ENVIRONMENTS: Final = (STIE, TIME, NORMAL, LYMPH_NODE)

# modalities of a sample
CELLS: Final = "cells"
SECTION: Final = "section"
MODALITIES: Final = (CELLS, SECTION)

# AnnData slots
COUNTS_LAYER: Final = "counts"
PCA_SLOT: Final = "X_pca"
HARMONY_SLOT: Final = "X_pca_harmony"
UMAP_SLOT: Final = "X_umap"
SPATIAL_SLOT: Final = "spatial"  # micrometres, columns x and y

# obs columns of an input file are kept under this prefix, so that they never hide ours
SOURCE_PREFIX: Final = "source_"

# columns of `obs` that ingest measures, beside those of the sheet
MEASURED_AT_INGEST: Final = ("pct_intronic", "n_negative_probe_counts", "area_um2", "nucleus_area_um2")

# columns of per-cell tables; `cell` is `sample:barcode`
CELL: Final = "cell"
SAMPLE: Final = "sample"
PATIENT: Final = "patient"
ENVIRONMENT: Final = "environment"
TIMEPOINT: Final = "timepoint"
KEEP: Final = "keep"
REASON: Final = "reason"
CLUSTER: Final = "cluster"
LINEAGE: Final = "lineage"
CELL_TYPE: Final = "cell_type"
CONFIDENCE: Final = "cell_type_confidence"
LINEAGE_CONFIDENCE: Final = "lineage_confidence"
UNKNOWN: Final = "unknown"
KEPT: Final = "kept"  # the reason of a cell that is kept
PROVISIONAL_LINEAGE: Final = "provisional_lineage"
UNCLEAR: Final = "unclear"  # the provisional lineage of a cell whose markers do not tell

# columns of the copy numbers that are inferred from expression
COPY_NUMBER_SIGNAL: Final = "copy_number_signal"
COPY_NUMBER_CORRELATION: Final = "copy_number_correlation"
IS_MALIGNANT: Final = "is_malignant"

# verdicts on a sample
USABLE: Final = "usable"
CAUTION: Final = "caution"
EXCLUDED: Final = "excluded"
SAMPLE_VERDICTS: Final = (USABLE, CAUTION, EXCLUDED)

# states of the reviews that are called; columns `score_<set_id>`, `evidence_<state>` and `is_<state>`
STATES: Final = ("texp", "treg", "m_mdsc", "pmn_mdsc", "ter_cell")
# further states, called by the same machinery
FURTHER_STATES: Final = (
    *("tpex_tcf7", "tex_term", "th_cxcl13"),
    *("m1_macrophage", "m2_macrophage", "spp1_macrophage", "c1qc_macrophage", "ido1_macrophage"),
    *("n1_neutrophil", "n2_neutrophil"),
)
CALLED_STATES: Final = (*STATES, *FURTHER_STATES)

# verdicts on a claim
SUPPORTED: Final = "supported"
CONTRADICTED: Final = "contradicted"
EQUIVALENT: Final = "equivalent"
INCONCLUSIVE: Final = "inconclusive"
NOT_TESTABLE: Final = "not testable"
VERDICTS: Final = (SUPPORTED, EQUIVALENT, CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE)


def cell_id(sample: str, barcode: str) -> str:
    """Name a cell uniquely in the cohort: `sample:barcode`."""
    return f"{sample}:{barcode}"


def score_column(set_id: str) -> str:
    """Name the column that holds the score of a marker set."""
    return f"score_{set_id}"


def evidence_column(state: str) -> str:
    """Name the column that holds how much likelier a cell's counts are with a state (log odds)."""
    return f"evidence_{state}"


def likeness_column(state: str) -> str:
    """Name the column that holds how like a state a cell is by genes outside the state's set (log odds)."""
    return f"likeness_{state}"


def call_column(state: str) -> str:
    """Name the boolean column that says whether a cell is called as a state."""
    return f"is_{state}"


@dataclass(frozen=True)
class Outputs:
    """Paths of every result, with `{sample}` or `{section}` where there is one per sample.

    Parameters
    ----------
    results_dir
        The folder that holds all results of one config.
    """

    results_dir: str

    def __getattr__(self, name: str) -> str:
        """Return the path of a result by its name in `OUTPUT_PATHS`."""
        try:
            return f"{self.results_dir}/{OUTPUT_PATHS[name]}"
        except KeyError:
            message = f"no output is called {name!r}; outputs are {sorted(OUTPUT_PATHS)}"
            raise AttributeError(message) from None

    def named(self, *kinds: str) -> dict[str, str]:
        """Return the paths of several results by their names."""
        return {kind: getattr(self, kind) for kind in kinds}

    def log(self, job: str) -> str:
        """Return the path of a job's log, such as `ingest/{sample}`."""
        return f"{self.results_dir}/logs/{job}.log"


OUTPUT_PATHS: Final = {
    # one per sample of modality `cells`
    "counts": "cells/{sample}/counts.h5ad",
    "quality": "cells/{sample}/quality.parquet",
    "quality_cuts": "cells/{sample}/quality_cuts.tsv",
    "lineage_losses": "cells/{sample}/lineage_losses.tsv",
    "ambient": "cells/{sample}/ambient.tsv",
    "sample_quality": "cells/{sample}/sample_quality.tsv",
    "receptors": "cells/{sample}/receptors.parquet",  # when the sheet or the files hold receptors
    "ambient_corrected": "cells/{sample}/ambient_corrected.h5ad",  # when quality.ambient_correction asks
    # one per cohort
    "samples": "cohort/samples.tsv",
    "embedding": "cohort/embedding.parquet",
    "variable_genes": "cohort/variable_genes.tsv",
    "graph": "cohort/neighbours.npz",
    "integration_metrics": "cohort/integration_metrics.tsv",
    "clusters": "cohort/clusters.parquet",
    "cluster_resolutions": "cohort/cluster_resolutions.tsv",
    "cluster_quality": "cohort/cluster_quality.tsv",
    "cluster_markers": "cohort/cluster_markers.tsv",
    "cell_types": "cohort/cell_types.parquet",
    "annotation_confusion": "cohort/annotation_confusion.tsv",  # when the files hold given types
    "annotation_scores": "cohort/annotation_scores.tsv",
    "annotation_calibration": "cohort/annotation_calibration.tsv",
    "copy_number": "cohort/copy_number.parquet",
    "copy_number_samples": "cohort/copy_number.tsv",
    "copy_number_arms": "cohort/copy_number_arms.tsv",
    "copy_number_profile": "cohort/copy_number_profile.tsv",
    "states": "cohort/states.parquet",
    "state_rules": "cohort/state_rules.tsv",
    "state_genes": "cohort/state_genes.tsv",
    "state_examples": "cohort/state_examples.tsv",
    "state_likeness": "cohort/state_likeness.parquet",
    "state_profiles": "cohort/state_profiles.tsv",
    "state_agreement": "cohort/state_agreement.tsv",
    "cells": "cohort/cells.parquet",
    "composition": "cohort/composition.tsv",
    "contrasts": "cohort/contrasts.tsv",
    "patient_values": "cohort/patient_values.tsv",
    "differential_expression": "cohort/differential_expression.parquet",
    "regulators": "cohort/regulators.tsv",
    "expression_tests": "cohort/expression_tests.tsv",
    "tissue_preference": "cohort/roe.tsv",
    "claims": "cohort/claims.tsv",
    "clonotypes": "cohort/clonotypes.tsv",  # when the sheet or the files hold receptors
    "clone_contrasts": "cohort/clone_contrasts.tsv",
    "clones": "cohort/clones.parquet",
    "receptor_counts": "cohort/receptor_counts.tsv",
    "sections": "cohort/sections.tsv",
    "section_contrasts": "cohort/section_contrasts.tsv",
    "niches": "cohort/niches.tsv",
    "niche_numbers": "cohort/niche_numbers.tsv",
    "niche_shares": "cohort/niche_shares.tsv",
    "type_profiles": "cohort/type_profiles.parquet",  # when there are sections of spots, and annotated cells
    "planted": "cohort/planted.tsv",
    "cohort": "cohort/cohort.h5ad",
    # one per sample of modality `section`
    "section_counts": "sections/{section}/counts.h5ad",
    "section_quality": "sections/{section}/quality.parquet",
    "section_cell_types": "sections/{section}/cell_types.parquet",
    "section_states": "sections/{section}/states.parquet",
    "section_state_rules": "sections/{section}/state_rules.tsv",
    "neighbourhoods": "sections/{section}/neighbourhoods.tsv",
    "co_occurrence": "sections/{section}/co_occurrence.tsv",
    "cross_k": "sections/{section}/cross_k.tsv",
    "nearest_distances": "sections/{section}/nearest_distances.tsv",
    "architecture": "sections/{section}/architecture.tsv",
    "spots": "sections/{section}/spots.parquet",
    "infiltration": "sections/{section}/infiltration.tsv",
    "structures": "sections/{section}/structures.tsv",
    "capsule": "sections/{section}/capsule.tsv",
    "proximity": "sections/{section}/proximity.tsv",
    "structure_cells": "sections/{section}/structure_cells.parquet",
    "section_niches": "sections/{section}/niches.parquet",
    "interactions": "sections/{section}/interactions.tsv",
    "interaction_profiles": "sections/{section}/interaction_profiles.tsv",
    # further ones of a section of spots
    "proportions": "sections/{section}/proportions.parquet",
    "proportion_pairs": "sections/{section}/proportion_pairs.tsv",
    "spot_scores": "sections/{section}/spot_scores.parquet",
    "lymphoid_hotspots": "sections/{section}/lymphoid_hotspots.tsv",
    "spatially_variable_genes": "sections/{section}/spatially_variable_genes.tsv",
    # reports and the record of the run
    "sample_report": "reports/{sample}.html",
    "section_report": "reports/{section}.html",
    "cohort_report": "reports/index.html",
    "provenance": "provenance.json",
}
