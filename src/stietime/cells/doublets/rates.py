"""How many doublets a capture is expected to hold.

Cells fall into droplets or wells at random, so that the share of doublets grows in proportion to the number
of cells of a capture. Sources of the rates per 1,000 recovered cells:

- 10x Genomics 3' v2, v3, v3.1 and 5': 0.8 %, about 0.4 % in 500 and 8 % in 10,000 cells (10x knowledge base,
  articles 360059124751 and 360001378811);
- 10x Genomics HT, which holds twice the cells of the standard assay (10x support, "What is HT"), and GEM-X,
  taken as HT: half of that, 0.4 %;
- 10x Genomics LT, which has few barcodes: 8 %, 0.8 to 8 % in 100 to 1,000 cells (article 360059124751);
- Drop-seq: 1.1 %, 11 % in runs of about 10,000 cells (Macosko et al., Cell 2015, species mixing);
- inDrop: taken as 10x, whose droplets are loaded alike (Klein et al., Cell 2015, species mixing, about 4 % in
  runs of some thousand cells);
- BD Rhapsody: 200,000 wells and random loading, n / (2 x 200,000);
- Seq-Well: 86,000 wells and random loading, n / (2 x 86,000) (Gierahn et al., Nature Methods 2017);
- plates (Smart-seq, MARS-seq, CEL-seq, SORT-seq): cells are sorted one by one, none expected.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_RATE: Final = 0.5
UNKNOWN_RATE: Final = 0.008
# words of a chemistry, lower case without spaces and signs, and its rate per 1,000 cells; the first that fits
RATES: Final = (
    (("lt",), 0.08),
    (("gemx", "v4", "ht"), 0.004),
    (("smartseq", "smarter", "marsseq", "celseq", "sortseq", "plate", "c1"), 0.0),
    (("rhapsody",), 0.0025),
    (("seqwell",), 0.006),
    (("dropseq",), 0.011),
    (("indrop",), 0.008),
    (("10x", "chromium", "v1", "v2", "v3", "5p", "3p", "5prime", "3prime"), 0.008),
)


class Rate(NamedTuple):
    """Expected share of doublets of a chemistry.

    Parameters
    ----------
    per_1000_cells
        Share of doublets for every 1,000 cells of the capture.
    note
        Where it is from.
    """

    per_1000_cells: float
    note: str


def rate_of_chemistry(chemistry: str) -> Rate:
    """Find the doublet rate of a chemistry by the words of its name.

    Parameters
    ----------
    chemistry
        Chemistry or platform, as a sample sheet names it: `10x 3' v3`, `GEM-X 5'`, `Smart-seq2`.

    Returns
    -------
    The rate; that of 10x v3 for a chemistry that is not known, and the note says so.
    """
    joined = "".join(letter for letter in chemistry.lower() if letter.isalnum())
    words = {"".join(filter(str.isalnum, word)) for word in chemistry.lower().replace("_", " ").split()}
    for known, rate in RATES:
        # short words are looked for as words, for `ht` is a part of others
        if any(word in words or (len(word) > 3 and word in joined) for word in known):
            return Rate(rate, f"{_percent(rate)} doublets per 1,000 cells ({chemistry})")
    told = f"chemistry {chemistry!r} not known" if chemistry else "chemistry not given"
    return Rate(UNKNOWN_RATE, f"{_percent(UNKNOWN_RATE)} doublets per 1,000 cells, as 10x v3 ({told})")


def expected_rate(n_cells: int, rate_per_1000_cells: float) -> float:
    """Give the expected share of doublets in a capture, which grows with its number of cells, at most 0.5."""
    return min(rate_per_1000_cells * n_cells / 1000, MAX_RATE)


def _percent(rate: float) -> str:
    return f"{100 * rate:g} %"
