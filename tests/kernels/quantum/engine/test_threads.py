from __future__ import annotations

import threading
import time

import pytest

from kernels.quantum.engine import threads


def test_every_worker_has_a_thread_of_its_own_however_many():
    # each waits for all: fewer threads would never meet
    barrier = threading.Barrier(64)

    def meet(worker: int, workers: int) -> None:
        barrier.wait(timeout=30)

    threads.share(64, meet)


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failure_is_raised_when_nobody_writes_any_longer(failing: int):
    written = []

    def write(worker: int, workers: int) -> None:
        if worker == failing:
            raise ValueError(f"worker {worker}")
        time.sleep(0.1)
        written.append(worker)

    with pytest.raises(ValueError, match=f"worker {failing}"):
        threads.share(3, write)
    assert sorted(written) == [worker for worker in range(3) if worker != failing]
