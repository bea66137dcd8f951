"""Every option of a run: default, range, unit (in the name) and a one-sentence description.

`config/config.schema.json` and the option table of `config/README.md` are generated from these models
(`stietime settings --write`); a test fails when they drift.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]


class Section(BaseModel):
    """Base of all groups of options: frozen, and a name that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def as_json(self) -> str:
        """Return the options as one line of JSON with sorted keys, for a step's command line."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


class Simulation(Section):
    """A cohort with planted truth that `stietime simulate` makes before the run; leave out for real data."""

    output_dir: str = "resources/demo"
    """Folder that receives the simulated files."""
    n_patients: Annotated[int, Field(ge=2, le=200)] = 4
    """Number of patients, each with blood and tumour, before and after treatment."""
    n_cells_per_sample: Annotated[int, Field(ge=50, le=200_000)] = 500
    """Number of cells in each sample, doublets and dying cells included."""
    n_sections: Annotated[int, Field(ge=0, le=30)] = 3
    """Number of tissue sections; they take the classes infiltrated, excluded and desert in turn."""
    n_cells_per_section: Annotated[int, Field(ge=200, le=2_000_000)] = 1500
    """Number of cells in each section."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the random generator; the same seed gives the same files."""


class Inputs(Section):
    """How input files are read; the sample sheet says which files."""

    max_genes_missing_symbol_fraction: Fraction = 0.5
    """Largest share of genes that may be without a symbol after old names and Ensembl ids are mapped."""
    x_column: str = "x"
    """Column that holds the horizontal position of a section's cells; obsm["spatial"] is used without it."""
    y_column: str = "y"
    """Column that holds the vertical position of a section's cells; obsm["spatial"] is used without it."""
    um_per_unit: Annotated[float, Field(gt=0)] = 1.0
    """Micrometres per unit of the positions, such as the pixel size of an image."""
    cell_type_column: str = ""
    """Column of every input file that holds the authors' cell types; empty when there is none."""
    cell_type_names: dict[str, str] = {}
    """The authors' cell type names, each with the name used here (a set of the marker table, or unknown)."""


class Quality(Section):
    """Which cells are kept, judged within each sample and, by provisional lineage, against their like."""

    n_mads_counts: Annotated[float, Field(gt=0)] = 5.0
    """Number of median absolute deviations (x 1.4826) of log counts beyond which a cell is dropped."""
    n_mads_genes: Annotated[float, Field(gt=0)] = 5.0
    """Number of median absolute deviations (x 1.4826) of log genes beyond which a cell is dropped."""
    n_mads_mito: Annotated[float, Field(gt=0)] = 5.0
    """Number of median absolute deviations (x 1.4826) of the mitochondrial share above which a cell goes."""
    pct_mito_floor: Percent = 7.0
    """A cell at or below this mitochondrial share is never dropped for it, in percent of counts."""
    pct_mito_ceiling: Percent = 50.0
    """A cell above this mitochondrial share is always dropped, in percent of counts."""
    min_counts: Annotated[int, Field(ge=0)] = 50
    """A cell with fewer counts is always dropped as empty."""
    min_genes: Annotated[int, Field(ge=0)] = 20
    """A cell with fewer genes is dropped as empty, unless it is rich in haemoglobin."""
    max_lower_cut_counts: Annotated[int, Field(ge=0)] = 150
    """The adaptive lower cut of counts is never set above this, so that neutrophils stay."""
    max_lower_cut_genes: Annotated[int, Field(ge=0)] = 100
    """The adaptive lower cut of genes is never set above this, so that neutrophils stay."""
    min_pct_hb_red_cell: Percent = 20.0
    """Few counts or genes are not held against a cell with at least this share of haemoglobin, in percent."""
    max_outlier_fraction: Fraction = 0.1
    """A cut of counts or genes that would drop more than this share of a lineage is noted and not applied."""
    min_cells_for_mads: Annotated[int, Field(ge=3)] = 50
    """A lineage with fewer cells is judged with the whole sample; smaller samples have fixed limits only."""
    max_lineage_loss: Fraction = 0.2
    """A lineage that loses more than this share, and surely more than the other cells, is warned of."""
    find_doublets: bool = True
    """Whether doublets are scored in each capture."""
    remove_doublets: bool = True
    """Whether called doublets are dropped."""
    doublet_rate_per_1000_cells: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Expected share of doublets per 1,000 cells of a capture; left out, it is that of the chemistry."""
    min_cells_for_doublets: Annotated[int, Field(ge=20)] = 100
    """Captures with fewer cells are not tested for doublets, and the report says so."""
    capture_column: str = ""
    """Column of the input file that names the capture of a cell; empty when the sample is one capture."""
    doublet_column: str = ""
    """Column of the input file that tells doublets by hashtags or genotype; empty when there is none."""
    doublet_names: tuple[str, ...] = ("doublet", "Doublet", "multiplet", "Multiplet", "DBL")
    """Values of the doublet column that mean a doublet."""
    protect_hybrids: bool = True
    """Whether cycling and nucleated erythroid cells are doublets only with markers of a second lineage."""
    max_counts_empty_droplet: Annotated[int, Field(ge=1)] = 100
    """Droplets with at most this many counts are empty, and ambient RNA is measured in them."""
    empty_droplet_fdr: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """In an unfiltered matrix, the false discovery rate at which a droplet differs from ambient RNA."""
    ambient_correction: Literal["none", "soupx"] = "none"
    """Whether a corrected matrix is written beside the counts, by the subtraction of SoupX."""
    min_cells_caution: Annotated[int, Field(ge=0)] = 50
    """A sample that keeps fewer cells is used with caution."""
    min_cells_usable: Annotated[int, Field(ge=1)] = 1
    """A sample that keeps fewer cells is excluded."""
    max_contamination_caution: Fraction = 0.2
    """A sample with a larger share of ambient counts is used with caution."""
    max_contamination_usable: Fraction = 0.5
    """A sample with a larger share of ambient counts is excluded."""
    min_saturation_caution: Fraction = 0.5
    """A sample with a lower saturation (Good's coverage of its cells' transcripts) is used with caution."""
    min_saturation_usable: Fraction = 0.1
    """A sample with a lower saturation is excluded."""
    on_swap: Literal["caution", "exclude"] = "caution"
    """Verdict on a sample whose expressed sex contradicts the column sex of the sheet."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the simulated doublets and of the test of empty droplets."""


class Integration(Section):
    """How samples are brought into one embedding; counts are never corrected."""

    method: Literal["harmony", "none"] = "harmony"
    """Batch correction of the embedding: harmony, or none to keep the principal components."""
    batch_column: str = "batch"
    """Column of the sample sheet that holds the batch to be corrected."""
    n_variable_genes: Annotated[int, Field(ge=10)] = 2000
    """Number of variable genes, chosen within each batch and ranked by the number of batches they vary in."""
    min_cells_per_batch: Annotated[int, Field(ge=2)] = 30
    """Batches with fewer cells are pooled when variable genes are chosen."""
    n_components: Annotated[int, Field(ge=2, le=200)] = 30
    """Number of principal components; fewer in a cohort of few cells."""
    n_neighbours: Annotated[int, Field(ge=2, le=200)] = 15
    """Number of neighbours of a cell in the graph of clustering and UMAP; fewer in a cohort of few cells."""
    harmony_theta: Annotated[float, Field(ge=0)] = 2.0
    """Harmony's diversity penalty; larger mixes batches more."""
    harmony_max_iterations: Annotated[int, Field(ge=1)] = 20
    """Largest number of rounds of Harmony."""
    umap_min_distance: Annotated[float, Field(gt=0, le=1)] = 0.3
    """UMAP's smallest distance between drawn cells."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of PCA, Harmony, the neighbour search and UMAP."""


class Clustering(Section):
    """Leiden clustering of the neighbour graph."""

    resolution: Annotated[float, Field(gt=0)] = 1.0
    """Resolution of the clusters that are used; larger gives more clusters."""
    other_resolutions: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 2.0)
    """Further resolutions that are computed and kept beside it for comparison."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the Leiden algorithm."""


class Annotation(Section):
    """Cell types by marker sets."""

    method: Literal["markers", "given"] = "markers"
    """Cell types from marker sets, or given: the authors' types by inputs.cell_type_column."""
    min_margin: Fraction = 0.15
    """Lead of a cell's best marker score (0 to 1) over other lineages for it to help learn its type."""
    min_confidence: Fraction = 0.5
    """A cell whose most probable lineage is less probable than this is unknown."""
    cluster_weight: Fraction = 0.5
    """Weight of the cluster against an undecided cell's own evidence; a clear cell keeps its own."""


class States(Section):
    """Scores and calls of the reviews' states, each within its parent lineage."""

    max_rank: Annotated[int, Field(ge=50)] = 1500
    """Rank beyond which all genes of a cell count as equally low in a signature score (UCell's maxRank)."""
    min_coverage: Fraction = 0.5
    """Smallest share of a set's positive genes in the data for the set to be scored or called."""
    min_parent_cells: Annotated[int, Field(ge=2)] = 20
    """A state whose parent has fewer cells in the cohort is not called, and is not testable."""
    fold_change: Annotated[float, Field(gt=1, le=100)] = 4.0
    """How many times more of its genes (and less of its negative genes) a state is taken to have."""
    false_call_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    """Share of cells without the state that a call may take in, by matched random sets of genes."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the matched random sets."""


class Comparison(Section):
    """Patient-level contrasts between environments and time points."""

    before: str = "before"
    """Value of the sheet's timepoint column that means before treatment."""
    after: str = "after"
    """Value of the sheet's timepoint column that means after treatment."""
    min_parent_cells: Annotated[int, Field(ge=1)] = 10
    """A fraction whose parent has fewer cells in a sample is left out as not measured."""
    min_pairs: Annotated[int, Field(ge=2)] = 3
    """A contrast with fewer patients (or pairs) is not testable."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Level at which a corrected p-value supports or contradicts a claim."""
    equivalence_log_odds: Annotated[float, Field(gt=0)] = 0.5
    """A cell fraction counts as unchanged when its effect lies surely within this many log-odds of 0."""
    equivalence_score: Annotated[float, Field(gt=0)] = 0.05
    """A signature counts as unchanged when its mean score (0 to 1) differs surely by less than this."""
    equivalence_log2_fold: Annotated[float, Field(gt=0)] = 0.5
    """A gene counts as unchanged when its log2 fold change lies surely within this of 0."""
    cancer_names: dict[str, str] = {}
    """The sheet's cancer names, each with the claims' name for it (NSCLC, HCC, NPC) or any other name."""
    treatment_names: dict[str, str] = {}
    """The sheet's treatments, each with radiotherapy, immunotherapy, chemo_targeted_combined or untreated."""
    donor_names: tuple[str, ...] = ("healthy", "donor", "none", "control")
    """Values of the sheet's cancer column that mean a person without cancer."""


class Spatial(Section):
    """Neighbourhoods and architecture of tissue sections; distances are micrometres."""

    radius_um: Annotated[float, Field(gt=0, le=1000)] = 30.0
    """Cells whose centres lie within this distance are neighbours."""
    max_distance_um: Annotated[float, Field(gt=0, le=2000)] = 200.0
    """Largest distance of the co-occurrence profile; the reviews' paracrine range is 200."""
    n_distances: Annotated[int, Field(ge=2, le=200)] = 20
    """Number of distances of the co-occurrence profile."""
    contact_um: Annotated[float, Field(gt=0, le=100)] = 12.0
    """Cells whose centres lie within this distance count as touching in the mixing score."""
    region_radius_um: Annotated[float, Field(gt=0, le=500)] = 40.0
    """Radius of the neighbourhood by which a cell is judged to lie inside a tumour region."""
    min_tumour_share: Fraction = 0.2
    """Smallest share of tumour cells around a cell inside a tumour region."""
    min_region_cells: Annotated[int, Field(ge=1)] = 10
    """Smallest number of tumour cells of a tumour region."""
    boundary_um: Annotated[float, Field(ge=0, le=1000)] = 25.0
    """Cells within this distance of the edge of a tumour region, on either side, belong to the boundary."""
    class_scheme: Literal["immune_phenotype", "keren"] = "immune_phenotype"
    """Vocabulary of the column `class`: desert, excluded and infiltrated, or the one of Keren 2018."""
    cold_below_immune_per_mm2: Annotated[float, Field(ge=0)] = 390.625
    """Immune cells per square millimetre below which a section is cold (Keren 2018: 250 in 800 x 800 um)."""
    mixed_above: Annotated[float, Field(ge=0)] = 0.22
    """Tumour-immune over immune-immune contacts at or above which a section is mixed (Keren 2018)."""
    infiltrated_above: Fraction = 0.1
    """Immune share of the cells inside tumour regions at or above which a section is infiltrated."""
    desert_below: Fraction = 0.05
    """Immune share of all cells below which a section is a desert."""


class ReportOptions(Section):
    """What the reports show."""

    title: str = "STIE against TIME"
    """Title of the cohort report."""
    max_cells_drawn: Annotated[int, Field(ge=100)] = 20_000
    """Largest number of cells drawn in one embedding or map; more are sampled, and the figure says so."""
    max_sections_drawn: Annotated[int, Field(ge=0)] = 40
    """Largest number of sections that the cohort report shows as small maps; all stand in its table."""


class Settings(Section):
    """The whole configuration of a run."""

    samples: str = "config/samples.tsv"
    """Path of the sample sheet, from the folder the run is started in."""
    results_dir: str = "results"
    """Folder that receives all results."""
    simulation: Simulation | None = None
    inputs: Inputs = Inputs()
    quality: Quality = Quality()
    integration: Integration = Integration()
    clustering: Clustering = Clustering()
    annotation: Annotation = Annotation()
    states: States = States()
    comparison: Comparison = Comparison()
    spatial: Spatial = Spatial()
    report: ReportOptions = ReportOptions()

    @model_validator(mode="after")
    def _results_apart_from_simulation(self) -> Settings:
        if self.simulation and self.simulation.output_dir == self.results_dir:
            message = "simulation.output_dir and results_dir must be different folders"
            raise ValueError(message)
        return self


def expand_path(path: str) -> Path:
    """Replace `$VARIABLE` and `~` in a path of a sample sheet or config."""
    return Path(os.path.expandvars(path)).expanduser()
