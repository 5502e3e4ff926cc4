"""ONNX Runtime sessions on the provider that was asked for, or a failure.

ONNX Runtime falls back to the CPU without an error when a provider does not load (invariant 9), so the
providers of the finished session are compared with what was asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from stream.errors import ProviderError
from stream.settings import InferSettings
from stream.types import Float32Array

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class Session:
    """One network, ready to run; outputs are bound to the host, inputs are copied once.

    Parameters
    ----------
    path : Path
        The ONNX file.
    settings : InferSettings
        Provider, device and threads.

    Raises
    ------
    ProviderError
        If the provider is not in this build of ONNX Runtime, or did not load.
    """

    def __init__(self, path: Path, settings: InferSettings) -> None:
        wanted = _PROVIDERS[settings.provider]
        if wanted not in ort.get_available_providers():
            raise ProviderError(
                f"{wanted} is not in this onnxruntime: install onnxruntime-gpu, or set infer.provider=cpu"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A spinning pool burns both cores between the blocks of a live stream.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        where: dict[str, Any] = {} if settings.provider == "cpu" else {"device_id": settings.device_id}
        if settings.half:
            if settings.provider != "tensorrt":
                raise ProviderError("half precision is TensorRT's: set infer.provider=tensorrt, or infer.half=false")
            where["trt_fp16_enable"] = True
        self._device = ("cpu", 0) if settings.provider == "cpu" else ("cuda", settings.device_id)
        self._session = ort.InferenceSession(str(path), options, providers=[(wanted, where)])
        if self._session.get_providers()[0] != wanted:
            raise ProviderError(
                f"{wanted} did not load (got {self._session.get_providers()}): check driver, CUDA libraries "
                "(extra 'cuda') and `tocsin doctor`, or set infer.provider=cpu"
            )
        self._inputs = [i.name for i in self._session.get_inputs()]
        self._outputs = [o.name for o in self._session.get_outputs()]

    def hold(self, array: Float32Array) -> ort.OrtValue:
        """Copy an input that stays the same to where the network runs; :meth:`run` takes it in the array's place."""
        return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), *self._device)

    def run(self, *inputs: Float32Array | ort.OrtValue) -> list[Float32Array]:
        """Run the network on host arrays, or what is held already, and return host arrays."""
        binding = self._session.io_binding()
        for name, given in zip(self._inputs, inputs, strict=True):
            if isinstance(given, ort.OrtValue):
                binding.bind_ortvalue_input(name, given)
            else:
                binding.bind_cpu_input(name, np.ascontiguousarray(given))
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        outputs: list[Float32Array] = binding.copy_outputs_to_cpu()
        return outputs
