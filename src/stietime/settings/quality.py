"""Options of quality control."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stietime.settings.base import Fraction, Percent, Section


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
