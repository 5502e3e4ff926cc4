"""Notices of other messengers, normalised: ``tocsin listen``.

source ─SourceMessage→ NoticeReader ─ExternalEvent→ sink (topic ``external.events``, a file) ─acknowledged→ source.done

Every message is an event, or several, or a refusal that is counted by its kind. The source's place moves on only after
the sink has acknowledged: what is sent twice after a crash has the same key and the same content.
"""

from pipelines.listen.run import Wanted, run
from pipelines.listen.shown import as_dict, as_line

__all__ = ["Wanted", "as_dict", "as_line", "run"]
