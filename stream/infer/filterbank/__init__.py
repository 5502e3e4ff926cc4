"""The matched-filter network: templates that follow the noise, one ONNX graph, triggers of one detector.

``waveforms`` (templates as strain) → ``whitened`` (as they stand in whitened strain) → ``build`` (time slices, their
bases, the graph's weights) → ``stage`` (whitened strain in, triggers out). ``reference`` does the same by FFT, without
slices, bases or graph: the oracle of the tests.
"""
