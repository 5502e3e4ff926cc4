"""Synthetic detectors: noise spectra, coloured noise, waveforms, glitches, witnesses.

Used by ``tocsin simulate``, ``demo`` and ``bench``, and by training; nothing on the live path needs it.
"""
