"""Compositions of the stages in :mod:`stream`: the search loop, the daemon, replay, simulation, the command line."""
