"""Every option of a run: default, range, unit (in the name) and a one-sentence description.

`config/config.schema.json` and the option table of `config/README.md` are generated from these models
(`stietime settings --write`); a test fails when they drift.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stietime.settings.annotation import Annotation
from stietime.settings.base import Fraction, Section
from stietime.settings.clones import Clones
from stietime.settings.comparison import Comparison
from stietime.settings.copy_number import CopyNumber
from stietime.settings.expression import Expression
from stietime.settings.interactions import Interactions
from stietime.settings.neighbourhood import Neighbourhood
from stietime.settings.quality import Quality
from stietime.settings.structures import Structures

__all__ = [
    "Annotation",
    "Clones",
    "ClusterDescription",
    "Clustering",
    "Comparison",
    "Compute",
    "CopyNumber",
    "Expression",
    "Inputs",
    "Integration",
    "Interactions",
    "Quality",
    "ReportOptions",
    "Section",
    "Settings",
    "Simulation",
    "Spatial",
    "States",
    "Structures",
    "expand_path",
]


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

    values: Literal["counts", "log1p"] = "counts"
    """counts, or log1p: counts are then recovered from the log values of files that hold no counts."""
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
    cell_type_names: dict[str, str] = Field(default={})
    """The authors' cell type names, each with the name used here (a set of the marker table, or unknown)."""


class Integration(Section):
    """How samples are brought into one embedding; counts are never corrected."""

    method: Literal["harmony", "bbknn", "none"] = "harmony"
    """Batch correction: harmony, bbknn (balanced neighbours, the embedding is kept), or none."""
    batch_column: str = "batch"
    """Column of the sample sheet that holds the batch to be corrected."""
    further_covariates: tuple[str, ...] = ()
    """Further columns of the sample sheet that Harmony corrects with the batch, such as chemistry."""
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
    harmony_ridge: Annotated[float, Field(gt=0)] | None = 1.0
    """Harmony's ridge penalty, 1 as published; null estimates it for each of its clusters (Harmony 2)."""
    harmony_max_iterations: Annotated[int, Field(ge=1)] = 20
    """Largest number of rounds of Harmony."""
    umap_min_distance: Annotated[float, Field(gt=0, le=1)] = 0.3
    """UMAP's smallest distance between drawn cells."""
    target_counts: Annotated[float, Field(gt=0)] | None = None
    """Counts that cells are scaled to before the logarithm of the embedding; null for their median."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of PCA, Harmony, the neighbour search and UMAP."""


class Clustering(Section):
    """Leiden clustering of the neighbour graph."""

    resolution: Annotated[float, Field(gt=0)] = 0.8
    """Resolution of the clusters that are used; larger gives more clusters."""
    other_resolutions: tuple[Annotated[float, Field(gt=0)], ...] = (0.4, 1.2)
    """Further resolutions that are computed and kept beside it for comparison."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the Leiden algorithm, and of the draws of cells by which clusters are described."""


class ClusterDescription(Section):
    """How the clusters are tested for stability, flagged and given markers; no cluster depends on it."""

    n_subsamples: Annotated[int, Field(ge=2, le=200)] = 10
    """Number of subsamples of the cells that are clustered anew, to see whether clusters are found again."""
    subsample_share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the cells in a subsample."""
    max_cells_in_subsample: Annotated[int, Field(ge=50)] = 20_000
    """Largest number of cells in a subsample."""
    min_stability: Fraction = 0.6
    """A cluster found again in subsamples with a lower mean Jaccard index is flagged as unstable."""
    max_share_of_one: Annotated[float, Field(ge=0.5, le=1)] = 0.9
    """A cluster with this share of its cells from one patient or one batch is flagged."""
    min_cells: Annotated[int, Field(ge=1)] = 20
    """A cluster of fewer cells is flagged; its stability is measured if a subsample holds as many."""
    n_markers: Annotated[int, Field(ge=1, le=1000)] = 25
    """Largest number of markers that are listed for each cluster."""
    max_cells_for_markers: Annotated[int, Field(ge=50)] = 50_000
    """Number of cells, drawn evenly, on which markers are tested in a larger cohort."""
    min_cells_per_patient: Annotated[int, Field(ge=1)] = 10
    """Cells inside and outside a cluster without which a patient says nothing of its markers."""
    min_consistency: Fraction = 0.75
    """Share of patients in which a marker is higher inside its cluster, for it to be listed first."""


class States(Section):
    """Scores and calls of the reviews' states, each within its parent lineage."""

    score_method: Literal["ucell", "aucell", "mean_difference"] = "ucell"
    """How sets are scored: ranks in the cell (ucell, aucell), or expression less that of matched controls."""
    gene_sets: str = ""
    """File of further gene sets to score (GMT, or a table with set_id and gene); empty for none."""
    max_rank: Annotated[int, Field(ge=50)] = 1500
    """Rank beyond which all genes of a cell count as equally low in a signature score (UCell's maxRank)."""
    aucell_share: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Share of the genes that counts as the first of a cell in AUCell (its aucMaxRank)."""
    n_controls: Annotated[int, Field(ge=1, le=1000)] = 100
    """Number of genes of like expression that each gene is compared with in mean_difference."""
    min_coverage: Fraction = 0.5
    """Smallest share of a set's positive genes in the data for the set to be scored or called."""
    min_parent_cells: Annotated[int, Field(ge=2)] = 20
    """A state whose parent has fewer cells in the cohort is not called, and is not testable."""
    fold_change: Annotated[float, Field(gt=1, le=100)] = 4.0
    """How many times more of its genes (and less of its negative genes) a state is taken to have."""
    false_call_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.02
    """Share of cells without the state that a call may take in, by matched random sets of genes."""
    false_discovery_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of a state's calls that may be by chance, by the same random sets; 1 for no such limit."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the matched random sets."""


class Spatial(Neighbourhood):
    """Neighbourhoods and architecture of tissue sections; distances are micrometres."""

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
    scale_genes: bool = True
    """Whether spots have gene efficiencies of their own against the cells that they are deconvolved by."""
    min_cells_of_profile: Annotated[int, Field(ge=1)] = 5
    """A type with fewer cells in the cohort has no profile, and is looked for in no spot."""


class ReportOptions(Section):
    """What the reports show."""

    title: str = "STIE against TIME"
    """Title of the cohort report."""
    max_cells_drawn: Annotated[int, Field(ge=100)] = 20_000
    """Largest number of cells drawn in one embedding or map; more are sampled, and the figure says so."""
    max_sections_drawn: Annotated[int, Field(ge=0)] = 40
    """Largest number of sections that the cohort report shows as small maps; all stand in its table."""


class Compute(Section):
    """Where the steps over all cells compute, and with how much memory; no result depends on it."""

    block_gib: Annotated[float, Field(gt=0)] = 0.25
    """Memory of one block of cells, in GiB; every thread works on one block at a time."""
    dask_scheduler: str = "threads"
    """`threads`, `synchronous`, or the address of a Dask cluster whose workers see the same files."""


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
    cluster_description: ClusterDescription = ClusterDescription()
    annotation: Annotation = Annotation()
    copy_number: CopyNumber = CopyNumber()
    states: States = States()
    comparison: Comparison = Comparison()
    expression: Expression = Expression()
    clones: Clones = Clones()
    spatial: Spatial = Spatial()
    structures: Structures = Structures()
    interactions: Interactions = Interactions()
    report: ReportOptions = ReportOptions()
    compute: Compute = Compute()

    @property
    def compares_given_types(self) -> bool:
        """Whether the types that the files' authors gave are compared with those that are found."""
        return bool(self.inputs.cell_type_column) and self.annotation.method != "given"

    @model_validator(mode="after")
    def _results_apart_from_simulation(self) -> Settings:
        if self.simulation and self.simulation.output_dir == self.results_dir:
            message = "simulation.output_dir and results_dir must be different folders"
            raise ValueError(message)
        return self


def expand_path(path: str) -> Path:
    """Replace `$VARIABLE` and `~` in a path of a sample sheet or config."""
    return Path(os.path.expandvars(path)).expanduser()
