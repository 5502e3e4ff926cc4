"""Networks: whitened strain in, peaks with their significance out; one kind of them in each module.

Stands in the loop between ``condition`` and ``superevent``. A model's card says which kind it is.
"""

from pipelines.networks.network import Network, Stopwatch, open_network

__all__ = ["Network", "Stopwatch", "open_network"]
