"""Localize: from SNR series to a sky map with distance. Its modules load numba, LAL and astropy when imported."""
