"""The daemon: the search on live strain, and what a process needs that runs for months."""
