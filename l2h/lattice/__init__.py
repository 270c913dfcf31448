"""Vacant sites of clusters, growth over them, and repair by exchange with them."""

from .exchange import Lattice as Lattice, settle as settle
from .grow import Field as Field, Growing as Growing, grow as grow
from .law import AbstractLaw as AbstractLaw, law as law, suits as suits
from .reading import SiteReading as SiteReading, read_sites as read_sites
from .repair import (
    Migrations as Migrations,
    Rearranged as Rearranged,
    migrations as migrations,
    rearrange as rearrange,
)
from .sites import Sites as Sites, probe as probe, sites as sites
from .swaps import arrange as arrange, swap_energies as swap_energies
