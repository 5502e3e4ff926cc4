"""A row of the table of missions: by what a notice is known to be its, and what follows from that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mission:
    """Whose notices, and how they are read.

    Attributes
    ----------
    name : str
        Of this row.
    source, messenger, search : str
        As in :class:`~stream.records.ExternalEvent`.
    schemas : tuple of str
        Beginnings of the path of ``$schema``, below ``gcn/notices/``.
    names : tuple of str
        ``mission/instrument`` of JSON, in small letters; either may be empty.
    topics : tuple of str
        What a topic's name holds.
    packets : tuple of int
        Numbers of classic notice types (Packet_Type).
    ivorns : tuple of str
        Beginnings of the identity of a VOEvent, without ``ivo://``.
    titles : str
        Regular expression that the NOTICE_TYPE or TITLE of a text notice holds; empty: none.
    containment : float
        Of a region whose notice does not say: 0.9 by GCN's schema.
    classic_containment : float
        The same of VOEvents and texts.
    classic_systematic : bool or None
        Whether the errors of VOEvents and texts hold the systematic one, where they do not say.
    reference_mhz : float or None
        Radio frequency at which a trigger time was; the time at infinite frequency is read.
    refused : str
        Word by which this row's notices are refused; empty: they are read.
    reads : str
        What is read beside identity, times, type, tense and place.
    why : str
        Why it is read so, with the source.
    """

    name: str
    source: str = ""
    messenger: str = ""
    search: str = ""
    schemas: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    packets: tuple[int, ...] = ()
    ivorns: tuple[str, ...] = ()
    titles: str = ""
    containment: float = 0.9
    classic_containment: float = 0.9
    classic_systematic: bool | None = None
    reference_mhz: float | None = None
    refused: str = ""
    reads: str = ""
    why: str = ""
