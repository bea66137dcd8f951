"""Methods in words, true to the settings: a paragraph for each step that ran, references, versions."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING, Final

from stietime import __version__, names
from stietime.report.blocks import Block, Facts, Text
from stietime.report.pictures import caption_text

if TYPE_CHECKING:
    from stietime.report.results import Results
    from stietime.settings import Settings

# caption, and the output whose presence says that the step ran
OF_CELLS: Final = (
    ("methods_cells", "quality"),
    ("methods_embedding", "embedding"),
    ("methods_types", "cell_types"),
    ("methods_copy_number", "copy_number"),
    ("methods_states", "state_rules"),
)
OF_PATIENTS: Final = (
    ("methods_statistics", "contrasts"),
    ("methods_expression", "differential_expression"),
    ("methods_claims", "claims"),
    ("methods_preference", "tissue_preference"),
    ("methods_clones", "clonotypes"),
)
OF_SECTIONS: Final = (
    ("methods_sections", "neighbourhoods"),
    ("methods_structures", "structures"),
    ("methods_section_states", "section_states"),
    ("methods_interactions", "interactions"),
    ("methods_niches", "niches"),
    ("methods_spots", "proportions"),
)
COHORT: Final = (*OF_CELLS, *OF_PATIENTS, *OF_SECTIONS)
SOFTWARE: Final = (
    *("anndata", "harmonypy", "igraph", "numpy", "pandas", "scanpy", "scikit-learn", "scipy"),
    *("snakemake", "umap-learn"),
)
# references as the paragraphs cite them
REFERENCES: Final = {
    "Aibar et al. 2017": "Nature Methods 14:1083",
    "Andersson et al. 2020": "Communications Biology 3:565",
    "Andreatta and Carmona 2021": "Computational and Structural Biotechnology Journal 19:3796",
    "Benjamini and Hochberg 1995": "Journal of the Royal Statistical Society B 57:289",
    "Cable et al. 2022": "Nature Biotechnology 40:517",
    "Clifford et al. 1989": "Biometrics 45:123",
    "Domínguez Conde et al. 2022": "Science 376:eabl5197",
    "Keren et al. 2018": "Cell 174:1373",
    "Korsunsky et al. 2019": "Nature Methods 16:1289",
    "Law et al. 2014": "Genome Biology 15:R29",
    "Love et al. 2014": "Genome Biology 15:550",
    "McInnes et al. 2018": "Journal of Open Source Software 3:861",
    "Muzellec et al. 2023": "Bioinformatics 39:btad547",
    "Polański et al. 2020": "Bioinformatics 36:964",
    "Schuirmann 1987": "Journal of Pharmacokinetics and Biopharmaceutics 15:657",
    "Smyth 2004": "Statistical Applications in Genetics and Molecular Biology 3:3",
    "Tirosh et al. 2016": "Science 352:189",
    "Traag et al. 2019": "Scientific Reports 9:5233",
    "Welch 1947": "Biometrika 34:28",
    "Zhang et al. 2018": "Nature 564:268",
}


def describe(results: Results, steps: tuple[tuple[str, str], ...]) -> list[Block]:
    """Describe the steps that ran, with what they cite and the versions of the software.

    Parameters
    ----------
    results
        The results of a run.
    steps
        Captions of paragraphs, each with the output that says whether its step ran.

    Returns
    -------
    A paragraph for each of these steps, the software, and the references that the paragraphs name.
    """
    paragraphs = [paragraph(name, results.settings) for name, output in steps if has_run(results, output)]
    versions = {package: importlib.metadata.version(package) for package in SOFTWARE}
    software = caption_text(
        "methods_software", version=__version__, python=platform.python_version(), packages=versions
    )
    cited = tuple((short, where) for short, where in REFERENCES.items() if short in " ".join(paragraphs))
    blocks: list[Block] = [Text(text) for text in (*paragraphs, software)]
    return [*blocks, Facts("References of the methods.", cited)] if cited else blocks


def paragraph(name: str, settings: Settings) -> str:
    """Write one paragraph by the settings.

    Parameters
    ----------
    name
        Its caption.
    settings
        The settings of the run.
    """
    return caption_text(name, s=settings)


def has_run(results: Results, output: str) -> bool:
    """Say whether an output is there: that of the page's own sample or section, else of any.

    Parameters
    ----------
    results
        The results of a run.
    output
        Name of the output.
    """
    if results.name or "{" not in names.OUTPUT_PATHS[output]:
        return results.has(output)
    pattern = names.OUTPUT_PATHS[output].format(sample="*", section="*")
    return any(results.folder.glob(pattern))
