"""A torch.distributed process group on the ranks of an mpi4py communicator.

MPI has placed the ranks already, so nothing is read from torchrun's environment variables: rank 0 opens a store on a
port that the system gives it and broadcasts where it is.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from kernels.api import InputError

if TYPE_CHECKING:
    import torch

Transport = Literal["gloo", "nccl"]

_LOOPBACK = "127.0.0.1"
_DISCARD = 9
_JOINING = timedelta(seconds=60)
_GLOO_INTERFACE = "GLOO_SOCKET_IFNAME"


class ProcessGroup:
    """The default process group of torch.distributed, over all ranks of ``comm``, until `close`.

    torch knows one default group a process, so there is one at a time: a second raises RuntimeError until the first
    is closed. Opening and closing are collective.
    """

    def __init__(self, comm: Any, transport: Transport, device: torch.device | None = None) -> None:
        import torch.distributed

        if torch.distributed.is_initialized():
            raise RuntimeError("this process has a process group already; close it first")
        self._comm = comm
        address = _own_address(comm)
        store = _open_store(comm, address)
        with _gloo_bound_to(address):
            torch.distributed.init_process_group(
                transport,
                store=store,
                rank=comm.rank,
                world_size=comm.size,
                device_id=device if transport == "nccl" else None,
            )
        self._open = True

    def sum(self, values: torch.Tensor) -> None:
        """Replace ``values`` on every rank by their sum over the ranks; on a GPU it is only enqueued."""
        import torch.distributed

        torch.distributed.all_reduce(values)

    def start_sum(self, values: torch.Tensor) -> torch.distributed.Work:
        """Begin `sum`; what is returned has a ``wait``."""
        import torch.distributed

        return torch.distributed.all_reduce(values, async_op=True)

    def close(self) -> None:
        """End the group and its threads; a second call does nothing."""
        import torch.distributed

        if self._open:
            self._open = False
            # rank 0 serves the store, so it leaves no sooner than the others
            self._comm.Barrier()
            torch.distributed.destroy_process_group()


def local_device(comm: Any, device: str) -> torch.device:
    """The torch device of this rank: "cpu", the GPU named ("cuda:1"), or for "cuda" the one of its place on the host.

    Raises `InputError` when ranks would share a GPU.
    """
    import torch

    place = torch.device(device)
    if place.type == "cpu":
        return place
    hosts = comm.allgather(socket.gethostname())
    index = (
        hosts[: comm.rank].count(hosts[comm.rank]) % torch.cuda.device_count() if place.index is None else place.index
    )
    gpus = set(comm.allgather(str(torch.cuda.get_device_properties(index).uuid)))
    if len(gpus) < comm.size:
        raise InputError(f"{comm.size} ranks have {len(gpus)} GPUs; right would be a GPU for each rank")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def cuda_missing() -> str | None:
    """Why no GPU can be used from torch here, or None; imports nothing heavy."""
    if not Path("/proc/driver/nvidia").exists():
        return "needs an NVIDIA GPU; this machine has no NVIDIA driver"
    package = importlib.util.find_spec("torch")
    folders = package.submodule_search_locations if package else None
    if not any(Path(folder, "lib", "libtorch_cuda.so").exists() for folder in folders or ()):
        return "needs a torch built for CUDA; the one installed is for CPUs only"
    return None


def _own_address(comm: Any) -> str:
    """The address at which the other ranks reach this one.

    A host's own name often leads to loopback or to the slow network, so the system is asked which of its addresses
    the way to another host starts from. Ranks whose hosts have one name are on one machine, as far as sockets go.
    """
    hosts = comm.allgather(socket.gethostname())
    others = [host for host in hosts if host != hosts[comm.rank]]
    return _address_towards(others[0]) if others else _LOOPBACK


def _address_towards(host: str) -> str:
    """This machine's own address on the way to ``host``."""
    family, kind, protocol, _, place = socket.getaddrinfo(host, _DISCARD, socket.AF_INET, socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # connecting a datagram socket sends nothing: it only looks the route up
        probe.connect(place)
        return probe.getsockname()[0]


def _open_store(comm: Any, address: str) -> Any:
    """The store that the ranks meet at; rank 0 serves it at ``address``, on a free port."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = None
    if comm.rank == 0:
        store = TCPStore(address, 0, comm.size, is_master=True, timeout=_JOINING, wait_for_workers=False)
    host, port = comm.bcast((address, store.port) if store else None)
    return store or TCPStore(host, port, comm.size, is_master=False, timeout=_JOINING)


@contextlib.contextmanager
def _gloo_bound_to(address: str) -> Iterator[None]:
    """Have Gloo listen at ``address``; an interface that the user named stays.

    Gloo takes an interface from the environment alone, and reads it while the group is made.
    """
    if _GLOO_INTERFACE in os.environ:
        yield
        return
    os.environ[_GLOO_INTERFACE] = _interface_of(address)
    try:
        yield
    finally:
        del os.environ[_GLOO_INTERFACE]


def _interface_of(address: str) -> str:
    """The name of the network interface that has this address."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(entry.address == address for entry in addresses):
            return name
    raise RuntimeError(f"no network interface has the address {address}; {_GLOO_INTERFACE} can name one")
