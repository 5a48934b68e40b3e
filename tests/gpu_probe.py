"""Whether torch can read and write memory of another CUDA context, as the CUDA platform does with OpenMM's.

OpenMM works in a context of its own and torch in the primary one of the device. NVIDIA promises addresses
within a context only; this asks the driver and torch for the copies that a step makes, and says which of them
fails. Nothing of this package or of OpenMM is used, so that a failure is one of this way of sharing.
"""

import ctypes
import sys

import torch

COUNT = 1024


class Foreign:
    """An array of float32 at an address, as torch takes arrays of others."""

    def __init__(self, address):
        self.__cuda_array_interface__ = {
            "shape": (COUNT,),
            "typestr": "<f4",
            "data": (address, False),
            "version": 3,
            "strides": None,
        }


def driver():
    """The driver's library; ends the probe with a sentence where there is none."""
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        sys.exit(f"probe: no driver of a GPU is installed: {error}")


def require(status, what):
    """End the probe where a call of the driver failed."""
    if status:
        sys.exit(f"probe: {what} failed with CUDA error {status}.")


def foreign_array(cuda):
    """Address of an array in a context of its own, which is no longer current; its first half is ones."""
    device, context, address = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    require(cuda.cuInit(0), "cuInit")
    require(cuda.cuDeviceGet(ctypes.byref(device), 0), "cuDeviceGet")
    require(cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device), "creating a second context")
    require(cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(4 * COUNT)), "allocating in it")
    ones = torch.ones(COUNT)
    require(
        cuda.cuMemcpyHtoD_v2(address, ctypes.c_void_p(ones.data_ptr()), ctypes.c_size_t(4 * COUNT)),
        "filling it",
    )
    require(cuda.cuCtxPopCurrent_v2(ctypes.byref(context)), "leaving it")
    return address.value


def main() -> None:
    """Copy both ways between torch and the array, on a stream of torch's."""
    address = foreign_array(driver())
    here = torch.zeros(COUNT, device="cuda")
    with torch.cuda.stream(torch.cuda.Stream()):
        there = torch.as_tensor(Foreign(address), device="cuda")
        here.copy_(there)
        print("probe: read on the device:", bool((here == 1).all()))
        there.copy_(2 * here)
        print("probe: written on the device, read on the host:", bool((there.cpu() == 2).all()))
    torch.cuda.synchronize()
    if not (bool((here == 1).all()) and bool((there.cpu() == 2).all())):
        sys.exit("probe: torch does not see the memory of the other context as it is.")


if __name__ == "__main__":
    main()
