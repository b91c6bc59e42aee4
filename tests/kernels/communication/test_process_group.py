"""Run by pytest, and by mpiexec on several ranks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from mpi4py import MPI

from kernels.communication.process_group import (
    ProcessGroup,
    _address_towards,
    _interface_of,
    cuda_missing,
    local_device,
)

ADDRESS = "127.0.0.1"


def check_groups_follow_one_another(comm: MPI.Comm) -> None:
    process = psutil.Process()
    used = []
    for turn in range(6):
        group = ProcessGroup(comm, "gloo")
        values = torch.full((3,), 10.0 * turn + comm.rank)
        group.sum(values)
        expected = comm.size * 10.0 * turn + sum(range(comm.size))
        assert values.tolist() == [expected] * 3
        group.close()
        group.close()
        used.append((process.num_threads(), process.num_fds()))
    assert all(last <= first for last, first in zip(used[-1], used[1], strict=True)), f"threads and files grow: {used}"
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_groups_follow_one_another_and_leave_nothing(ranks: int) -> None:
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    subprocess.run([mpiexec, "-n", str(ranks), sys.executable, __file__], check=True, timeout=120)


def test_a_second_group_has_to_wait() -> None:
    group = ProcessGroup(MPI.COMM_SELF, "gloo")
    try:
        with pytest.raises(RuntimeError, match="close it first"):
            ProcessGroup(MPI.COMM_SELF, "gloo")
    finally:
        group.close()
    ProcessGroup(MPI.COMM_SELF, "gloo").close()


@pytest.mark.parametrize("named", [None, _interface_of(ADDRESS)])
def test_the_environment_stays_as_it_was(named: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    if named:
        monkeypatch.setenv("GLOO_SOCKET_IFNAME", named)
    ProcessGroup(MPI.COMM_SELF, "gloo").close()
    assert os.environ.get("GLOO_SOCKET_IFNAME") == named


def test_an_interface_the_user_named_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nosuch0")
    with pytest.raises(RuntimeError, match="nosuch0"):
        ProcessGroup(MPI.COMM_SELF, "gloo")
    assert not torch.distributed.is_initialized()


def test_the_way_to_a_host_starts_at_an_own_address() -> None:
    assert _address_towards(ADDRESS) == ADDRESS
    assert any(entry.address == ADDRESS for entry in psutil.net_if_addrs()[_interface_of(ADDRESS)])
    with pytest.raises(RuntimeError, match=r"192\.0\.2\.255"):
        _interface_of("192.0.2.255")


def test_a_rank_without_gpus_computes_on_the_cpu() -> None:
    assert local_device(MPI.COMM_SELF, "cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what would be missing")
def test_missing_gpus_are_told_in_a_sentence() -> None:
    assert (cuda_missing() or "").startswith("needs ")


if __name__ == "__main__":
    check_groups_follow_one_another(MPI.COMM_WORLD)
