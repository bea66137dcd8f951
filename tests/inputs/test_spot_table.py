"""Tables of spots named by their place on the array."""

import numpy as np
import pytest

from stietime.errors import InputError
from stietime.inputs.read import ReadingOptions, open_input, prepare, read_prepared

TABLE = "\tCD3D\tEPCAM\tCOL1A1\n10x13\t0\t6\t1\n10x14\t2\t0\t0\n11.5x13\t0\t0\t9\n"


def read(path, **options):
    return read_prepared(prepare(open_input(path, "spot_table"), ReadingOptions(**options)))


def test_places_are_positions_in_micrometres(tmp_path):
    path = tmp_path / "s.tsv"
    path.write_text(TABLE)
    section = read(path, with_positions=True, um_per_unit=200.0)
    assert list(section.obs_names) == ["10x13", "10x14", "11.5x13"]
    np.testing.assert_array_equal(section.obsm["spatial"], [[2000, 2600], [2000, 2800], [2300, 2600]])
    np.testing.assert_array_equal(section.X.toarray(), [[0, 6, 1], [2, 0, 0], [0, 0, 9]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TABLE.replace("10x14", "spot2"), "1 of 3 rows are not named by their place"),
        (TABLE.replace("\t6\t", "\tsix\t"), "do not hold numbers, such as EPCAM"),
        (TABLE.replace("\t6\t", "\t\t"), "1 values are missing"),
        (TABLE.replace("\t6\t", "\t6.5\t"), "6.5"),
        ("\tCD3D\n", "0 spots"),
    ],
)
def test_bad_tables_are_told(tmp_path, text, told):
    path = tmp_path / "s.tsv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read(path, with_positions=True)
    assert told in str(error.value)


@pytest.mark.data
def test_a_section_of_her2st_is_read_whole(data_dir):
    section = read(data_dir / "her2st_breast_ST" / "ST-cnts" / "A1.tsv.gz", with_positions=True)
    assert section.shape[0] == 346
    assert int(section.X.sum()) == 1553744
