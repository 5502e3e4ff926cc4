"""What of another messenger coincides with a gravitational-wave event, in time and on the sky, and how rare that is.

Where it stands: ExternalEvent, GwEvent ─coincide→ Coincidence ─superevent→ Revision. Pure functions, over a store of
recent events; the same live and over the archive.

**The sign of a time difference**, everywhere: external event minus merger. A gamma-ray burst 1.7 s after a merger is at
+1.7 s. RAVEN writes its windows as seen from the external event, with the other sign.
"""
