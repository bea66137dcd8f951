import pytest

from stietime.cells.doublets.rates import expected_rate, rate_of_chemistry


@pytest.mark.parametrize(
    ("chemistry", "rate"),
    [
        ("10x 3' v2", 0.008),
        ("10x v3", 0.008),
        ("10x_5p_v2", 0.008),
        ("Chromium 5'", 0.008),
        ("10x 3' v3.1 HT", 0.004),
        ("GEM-X 5' v3", 0.004),
        ("10x GEMX", 0.004),
        ("10x 3' LT v3.1", 0.08),
        ("inDrop", 0.008),
        ("Drop-seq", 0.011),
        ("BD Rhapsody", 0.0025),
        ("Smart-seq2", 0),
        ("MARS-seq", 0),
    ],
)
def test_rate_follows_the_chemistry(chemistry, rate):
    assert rate_of_chemistry(chemistry).per_1000_cells == rate
    assert chemistry in rate_of_chemistry(chemistry).note


@pytest.mark.parametrize(("chemistry", "words"), [("", "not given"), ("light-seq", "not known")])
def test_an_unknown_chemistry_is_told(chemistry, words):
    assert rate_of_chemistry(chemistry).per_1000_cells == 0.008
    assert words in rate_of_chemistry(chemistry).note


def test_expected_rate_grows_with_cells_and_is_capped():
    assert expected_rate(1000, 0.008) == pytest.approx(0.008)
    assert expected_rate(10_000, 0.008) == pytest.approx(0.08)
    assert expected_rate(1_000_000, 0.008) == 0.5
