"""CUDA's driver through ctypes, as far as benchmarks/gpu_kernels.py needs it: no package, no toolkit."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["CudaError", "Device", "Kernel"]

_ERROR_LOG, _ERROR_LOG_SIZE = 5, 6  # CU_JIT_ERROR_LOG_BUFFER, ..._SIZE_BYTES
_LOCAL_BYTES, _REGISTERS = 3, 4  # CU_FUNC_ATTRIBUTE_...
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_...


class CudaError(RuntimeError):
    """A call of the driver failed."""


class Kernel:
    """A function of a module.

    Attributes:
        registers, local_bytes: of one thread, as the driver compiled it.
    """

    def __init__(self, device: Device, handle: ctypes.c_void_p) -> None:
        self._device = device
        self._handle = handle
        self.registers = self._attribute(_REGISTERS)
        self.local_bytes = self._attribute(_LOCAL_BYTES)

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._device.call("cuFuncGetAttribute", ctypes.byref(value), number, self._handle)
        return value.value

    def launch(self, num_threads: int, *arguments: Any, block: int = 128) -> None:
        """One thread for each; ``arguments`` are ctypes numbers and pointers. Returns at once."""
        pointers = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(argument) for argument in arguments))
        blocks = (num_threads + block - 1) // block
        self._device.call(
            "cuLaunchKernel", self._handle, blocks, 1, 1, block, 1, 1, 0, self._device.stream, pointers, None
        )


class Device:
    """The first GPU, with one stream. Memory is not given back before the process ends."""

    def __init__(self) -> None:
        self._driver = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        self._device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(self._device), 0)
        context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device)
        self.call("cuCtxSetCurrent", context)
        self.stream = self._new_stream()

    def _new_stream(self) -> ctypes.c_void_p:
        stream = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(stream), 1)  # 1: in no order with what is in no stream
        return stream

    def call(self, name: str, *arguments: Any) -> None:
        """Call the driver.

        Raises:
            CudaError: it says that something is wrong.
        """
        status = getattr(self._driver, name)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self._driver.cuGetErrorString(status, ctypes.byref(text))
            raise CudaError(f"{name}: {(text.value or b'unknown error').decode()} ({status})")

    def describe(self) -> dict[str, Any]:
        """Its name, its generation, and the driver's version."""
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, 256, self._device)
        version, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        self.call("cuDriverGetVersion", ctypes.byref(version))
        self.call("cuDeviceGetAttribute", ctypes.byref(major), _MAJOR, self._device)
        self.call("cuDeviceGetAttribute", ctypes.byref(minor), _MINOR, self._device)
        return {
            "name": name.value.decode(),
            "compute_capability": f"{major.value}.{minor.value}",
            "driver_cuda_version": f"{version.value // 1000}.{version.value % 1000 // 10}",
        }

    def load(self, ptx: str) -> Callable[[str], Kernel]:
        """Compile PTX for this GPU; returns what finds a kernel by its name."""
        log = ctypes.create_string_buffer(8192)
        keys = (ctypes.c_int * 2)(_ERROR_LOG, _ERROR_LOG_SIZE)
        values = (ctypes.c_void_p * 2)(ctypes.addressof(log), len(log))
        module = ctypes.c_void_p()
        try:
            self.call("cuModuleLoadDataEx", ctypes.byref(module), ctypes.c_char_p(ptx.encode()), 2, keys, values)
        except CudaError as error:
            raise CudaError(f"{error} {log.value.decode(errors='replace')}".strip()) from None

        def find(name: str) -> Kernel:
            function = ctypes.c_void_p()
            self.call("cuModuleGetFunction", ctypes.byref(function), module, name.encode())
            return Kernel(self, function)

        return find

    def allocate(self, num_bytes: int) -> ctypes.c_uint64:
        """Memory with garbage in it."""
        pointer = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(max(num_bytes, 1)))
        self.call("cuMemsetD8_v2", pointer, 0xA5, ctypes.c_size_t(max(num_bytes, 1)))
        self.synchronize()  # it is in no order with the stream
        return pointer

    def free(self, pointer: ctypes.c_uint64) -> None:
        self.call("cuMemFree_v2", pointer)

    def upload(self, array: np.ndarray, pointer: ctypes.c_uint64 | None = None) -> ctypes.c_uint64:
        """A copy of the array there."""
        array = np.ascontiguousarray(array)
        pointer = self.allocate(array.nbytes) if pointer is None else pointer
        source = ctypes.c_void_p(array.ctypes.data)
        self.call("cuMemcpyHtoD_v2", pointer, source, ctypes.c_size_t(array.nbytes))
        self.synchronize()
        return pointer

    def download(self, pointer: ctypes.c_uint64, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        self.synchronize()
        array = np.empty(shape, dtype)
        self.call("cuMemcpyDtoH_v2", ctypes.c_void_p(array.ctypes.data), pointer, ctypes.c_size_t(array.nbytes))
        return array

    def synchronize(self) -> None:
        """Wait for all that was launched; an error of a kernel is raised here."""
        self.call("cuCtxSynchronize")

    def record(self, launch: Callable[[], None]) -> Callable[[], None]:
        """What ``launch`` launches, as one graph: returns what launches it again, all at once."""
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        usual, self.stream = self.stream, self._new_stream()  # a recording that fails spoils its stream
        try:
            self.call("cuStreamBeginCapture_v2", self.stream, 0)
            launch()
            self.call("cuStreamEndCapture", self.stream, ctypes.byref(graph))
            self.call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
        finally:
            self.stream = usual
        return lambda: self.call("cuGraphLaunch", executable, self.stream)
