"""Result folders of several runs, read and checked before anything is combined."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stietime import names, storage
from stietime.cohort.meta_analysis.questions import Cohort
from stietime.cohort.testing import contrasts as contrast_table
from stietime.cohort.testing.measures import CELL_FRACTION, GENE_EXPRESSION, SIGNATURE
from stietime.errors import InputError, raise_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

NEEDED: Final = ("contrasts", "claims", "composition", "samples", "provenance")
CLAIM_COLUMNS: Final = (
    *("claim_id", "verdict", "reason", "detail"),
    *("contrast", "entity_tested", "kind_tested"),
)
SAME_CELLS: Final = ["n_measured", "median_counts", "median_genes", "median_pct_mito"]


@dataclass(frozen=True)
class CohortFolder:
    """One run: its tables and where they come from.

    Parameters
    ----------
    cohort
        Its name and tables.
    folder
        The folder of its results.
    samples
        One row per sample: sample, patient, environment, n_measured, n_kept, medians, cancer, species.
    record
        Its `provenance.json`.
    """

    cohort: Cohort
    folder: Path
    samples: pd.DataFrame
    record: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """Its settings, each by its full name."""
        return dict(_flat(self.record.get("settings") or {}))

    @property
    def is_simulated(self) -> bool:
        """Whether its data were made by `stietime simulate`."""
        return bool((self.record.get("settings") or {}).get("simulation"))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows = []
    for name, value in settings.items():
        if isinstance(value, dict) and value and not prefix.count("."):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, value))
    return rows


def read_folders(folders: Sequence[Path], given_names: Sequence[str] = ()) -> list[CohortFolder]:
    """Read the cohorts; nothing is combined unless every one of them can be.

    Parameters
    ----------
    folders
        Folders of results.
    given_names
        Names of the cohorts in the same order; by default the folder that each run was configured to write.

    Raises
    ------
    InputError
        Fewer than two folders, the same one twice, one without results, or names that do not fit: all at
        once.
    """
    errors = _wrong_names(folders, given_names)
    seen: dict[Path, Path] = {}
    for folder in folders:
        errors += _not_results(folder)
        if folder.resolve() in seen:
            what = f"the same folder stands twice: {folder} and {seen[folder.resolve()]}"
            errors.append(InputError(what, "RESULTS", "name every run once"))
        seen[folder.resolve()] = folder
    if len(seen) < 2 and not errors:
        errors.append(
            InputError(f"{len(seen)} cohort is not enough", "RESULTS", "name the results of two runs or more")
        )
    raise_all(errors)
    records = [_read_record(folder) for folder in folders]
    chosen = list(given_names) or default_names(folders, records)
    found = [_read(*one) for one in zip(chosen, folders, records, strict=True)]
    raise_all([error for one in found for error in _other_claims(one, found[0])])
    return found


def _wrong_names(folders: Sequence[Path], given: Sequence[str]) -> list[InputError]:
    if not given:
        return []
    errors = []
    if len(given) != len(folders):
        what = f"{len(given)} names for {len(folders)} folders"
        errors.append(InputError(what, "--names", "give one name for each folder, in their order"))
    wrong = [
        name for name, n in Counter(given).items() if n > 1 or not name.strip() or not name.isprintable()
    ]
    if wrong:
        what = f"names that are empty, stand twice or hold tabs: {', '.join(map(repr, wrong))}"
        errors.append(InputError(what, "--names", "give every cohort a name of its own"))
    return errors


def _not_results(folder: Path) -> list[InputError]:
    missing = [names.OUTPUT_PATHS[output] for output in NEEDED]
    missing = [path for path in missing if not (folder / path).is_file()]
    if not missing:
        return []
    if not folder.is_dir():
        return [InputError("there is no such folder", folder, "name the results_dir of a finished run")]
    what = f"not the results of a finished run of cells: {', '.join(missing)} missing"
    return [InputError(what, folder, "finish the run with `stietime run`, or name its results_dir")]


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / names.OUTPUT_PATHS["provenance"]
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        what = f"the record of the run cannot be read: {error}"
        raise InputError(what, path, "delete it and run again, so that it is made anew") from None
    return dict(record)


def default_names(folders: Sequence[Path], records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name cohorts after the folder their run was configured to write, or that above where it is `results`.

    Parameters
    ----------
    folders, records
        Folder and `provenance.json` of each run.

    Returns
    -------
    Names that differ: a repeated one gets the number of its place.
    """
    chosen = []
    for folder, record in zip(folders, records, strict=True):
        configured = str((record.get("settings") or {}).get("results_dir") or "").rstrip("/")
        options = [configured.rpartition("/")[2], folder.resolve().name, folder.resolve().parent.name]
        chosen.append(next((name for name in options if name not in ("", "results")), "cohort"))
    counts = Counter(chosen)
    return [name if counts[name] == 1 else f"{name}_{i}" for i, name in enumerate(chosen, start=1)]


def _read(name: str, folder: Path, record: dict[str, Any]) -> CohortFolder:
    def table(output: str, columns: Sequence[str]) -> pd.DataFrame:
        """Read one table of the run."""
        return storage.read_table(folder / names.OUTPUT_PATHS[output], columns)

    settings = record.get("settings") or {}
    method = (settings.get("states") or {}).get("score_method", "ucell")
    chosen = (settings.get("comparison") or {}).get("contrasts") or []
    cohort = Cohort(
        name,
        table("contrasts", contrast_table.COLUMNS),
        table("claims", CLAIM_COLUMNS),
        {CELL_FRACTION: "log-odds", GENE_EXPRESSION: "log2 fold change", SIGNATURE: f"score by {method}"},
        {str(one["name"]): json.dumps(one, sort_keys=True) for one in chosen},
    )
    samples = table("samples", [names.SAMPLE, names.PATIENT, names.ENVIRONMENT, "n_kept", *SAME_CELLS])
    sheet = table("composition", [names.SAMPLE, "cancer", "species"]).drop_duplicates(names.SAMPLE)
    samples = samples.merge(sheet[[names.SAMPLE, "cancer", "species"]], on=names.SAMPLE, how="left")
    samples[names.PATIENT] = samples[names.PATIENT].astype(str)
    return CohortFolder(cohort, folder, samples.fillna({"cancer": "", "species": ""}), record)


def _other_claims(one: CohortFolder, first: CohortFolder) -> list[InputError]:
    own, known = set(one.cohort.claims["claim_id"]), set(first.cohort.claims["claim_id"])
    if own == known:
        return []
    what = f"{len(own ^ known)} claims are not those of {first.cohort.name}: another version weighed them"
    path = one.folder / names.OUTPUT_PATHS["claims"]
    return [InputError(what, path, "run both with the same version of stietime")]
