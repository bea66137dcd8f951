"""One row of the sample sheet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, ValidationError

from stietime.errors import InputError
from stietime.radiotherapy_fields import RadiotherapyFields
from stietime.settings import expand_path
from stietime.spot_fields import SpotFields

if TYPE_CHECKING:
    from pathlib import Path

NOT_CARRIED: Final = (
    "modality",
    "format",
    "path",
    "raw_path",
    "subset",
    "receptors",
    *SpotFields.model_fields,
    *RadiotherapyFields.model_fields,  # added where they are given
)


class Sample(SpotFields, RadiotherapyFields):
    """One row of the sample sheet; an empty cell is "", and further columns are in `extra`."""

    sample: str
    """Name of the sample, unique in the sheet."""
    patient: str
    """Name of the patient, the unit of every comparison."""
    environment: Literal["STIE", "TIME", "normal", "lymph_node"]
    """Where the cells are from: blood (STIE), tumour (TIME), normal tissue or lymph node."""
    tissue: str = ""
    """Tissue in plain words."""
    modality: Literal["cells", "section"]
    """Dissociated cells, or a tissue section with positions."""
    format: Literal["h5ad", "10x_h5", "10x_mtx", "cell_table", "spot_table"]
    """Format of the file."""
    path: Annotated[str, Field(min_length=1)]
    """File or folder; `$VARIABLE` and `~` are replaced."""
    batch: str = "batch1"
    """Batch that integration corrects."""
    chemistry: str = ""
    """Chemistry or platform."""
    species: Literal["human", "mouse"] = "human"
    """Species of the cells."""
    cancer: str = ""
    """Cancer type."""
    timepoint: str = ""
    """Time point, such as before or after treatment."""
    treatment: str = ""
    """Treatment."""
    response: str = ""
    """Response to the treatment."""
    subset: str = ""
    """Rows of the file that belong to this sample, as `column=value; column=value`."""
    raw_path: str = ""
    """Unfiltered matrix of the same capture: a folder of an .mtx matrix, an .h5 or an .h5ad."""
    receptors: str = ""
    """T-cell receptors of the sample: AIRR rearrangements, Cell Ranger's contigs, or a table of clones."""
    extra: dict[str, str] = Field(default={})
    """Further columns of the sheet."""

    def as_json(self) -> str:
        """Return the row as one line of JSON with sorted keys, for a step's command line."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Sample:
        """Read a row that `as_json` wrote.

        Raises
        ------
        InputError
            The text is not a row of a sample sheet.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InputError(what, "--sample", "give a row as the log of a run shows it") from None

    @property
    def file(self) -> Path:
        """The path with `$VARIABLE` and `~` replaced."""
        return expand_path(self.path)

    @property
    def raw_file(self) -> Path | None:
        """The unfiltered matrix, the path as in `file`; none when the sheet names none."""
        return expand_path(self.raw_path) if self.raw_path else None

    @property
    def files(self) -> list[str]:
        """The file, and the unfiltered matrix where the sheet names one."""
        return [str(expand_path(path)) for path in (self.path, self.raw_path) if path]

    def carried(self) -> dict[str, str]:
        """Columns that every cell of the sample carries: all but those that say where the file is."""
        columns = {key: str(value) for key, value in self.model_dump(exclude={"extra", *NOT_CARRIED}).items()}
        return columns | self.radiotherapy() | self.extra
