"""How to cite the library and what it rests on."""

from ._version import __version__

_TEXT = """\
@software{{l2h,
  title = {{l2h: learned optimizers for atomic structure search}},
  author = {{{{The l2h authors}}}},
  version = {{{version}}},
  license = {{Apache-2.0}},
}}
@inproceedings{{merchant2021learn2hop,
  title = {{Learn2Hop: Learned Optimization on Rough Landscapes}},
  author = {{Merchant, Amil and Metz, Luke and Schoenholz, Samuel S. and Cubuk, Ekin D.}},
  booktitle = {{Proceedings of the 38th International Conference on Machine Learning}},
  volume = {{139}},
  pages = {{7643--7653}},
  year = {{2021}},
  url = {{https://arxiv.org/abs/2107.09661}},
}}
"""


def citation() -> str:
    """Return BibTeX for this version of the library and the paper whose idea it re-creates.

    References of potentials and methods stand in their docstrings.
    """
    return _TEXT.format(version=__version__)
