"""One module per command and rule; all file input and output of a step happens here.

Each module offers `add_arguments(parser)` and `run(arguments)`. Modules are imported only when their step
is called, so that heavy libraries cost nothing elsewhere.
"""

from __future__ import annotations

from typing import Final

STEPS: Final = {
    "ingest": "read one sample in any format into integer counts with current gene symbols",
    "assess-quality": "measure every cell of a sample, find doublets, and say which cells are kept and why",
    "collect-samples": "put the verdicts on all samples side by side, and look for swapped samples",
    "correct-ambient": "write a matrix without ambient RNA beside the counts of a sample",
    "integrate": "normalise, choose variable genes, and make one embedding of all samples",
    "cluster": "cluster the neighbour graph at several resolutions",
    "describe-clusters": "say how stable the clusters are, whose cells they hold, and which genes mark them",
    "annotate": "give every cell a lineage and a type by marker sets",
    "validate-annotation": "compare the cell types with labels that were given",
    "infer-copy-number": "infer copy numbers of epithelial cells from expression, and call malignant cells",
    "score-states": "score the reviews' marker sets and call the states within their parent lineage",
    "profile-states": "learn what else the cells of each state express, and judge cells by these genes",
    "collect-cells": "join what is known of every kept cell into one table",
    "compare": "compare fractions, signatures and genes between environments, patients as the unit",
    "compare-expression": "test all genes within cell types between patients, and the reviews' regulators",
    "measure-preference": "measure which environment each kind of cell prefers, within patients",
    "read-receptors": "give every cell of a sample its T-cell receptor",
    "compare-clones": "follow clones between environments, types and time points, patients as the unit",
    "weigh-claims": "give each claim of the reviews a verdict",
    "ingest-section": "read one tissue section, coordinates in micrometres",
    "assess-section": "measure every cell or spot of a section, and say which can be judged",
    "map-cells": "give every cell of a section a type",
    "call-section-states": "call the states among the cells of a section, as far as its panel tells them",
    "make-profiles": "sum the counts of each cell type and patient, for the deconvolution of spots",
    "deconvolve-spots": "say which cell types the spots of a section consist of",
    "describe-spots": "measure regions, scores, neighbouring types and variable genes of a section of spots",
    "find-neighbourhoods": "measure enrichment, co-occurrence and architecture of a section",
    "find-structures": "find lymphoid structures, a capsule and who lies how deep in the tumour of a section",
    "find-niches": "find niches that all sections share",
    "find-interactions": "test ligands against receptors within the paracrine range in a section",
    "measure-distances": "measure cross-K and nearest distances between the cell types of a section",
    "compare-sections": "put the sections side by side",
    "check-simulation": "put planted beside recovered values of a simulated cohort",
    "export": "assemble the cohort into one h5ad",
    "report-sample": "write the report of one sample",
    "report-section": "write the report of one tissue section",
    "report-cohort": "write the report of the cohort",
    "record-provenance": "record versions, inputs with checksums, commands, times and memory",
}


def module_name(step: str) -> str:
    """Name the module of a step: dashes become underscores."""
    return f"stietime.steps.{step.replace('-', '_')}"
