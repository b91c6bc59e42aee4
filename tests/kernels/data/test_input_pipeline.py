import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from kernels.api import InputError, parse_parameters
from kernels.data.generation import generate
from kernels.data.input_pipeline import KERNEL
from kernels.data.records import ensure_dataset

BACKENDS = [
    pytest.param(name, marks=pytest.mark.skipif(reason is not None, reason=reason or ""))
    for name, backend in KERNEL.backends.items()
    for reason in [backend.missing("cpu")]
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def parameters(root, monkeypatch):
    # a shard has as many cards as are simulated together, or one less
    monkeypatch.setenv("SCALEMARK_DATA", str(root))
    return KERNEL.parameters(records=93, shards=6, batch=16)


@pytest.mark.parametrize("state", ["cold", "warm"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_step_verifies(parameters, backend, state):
    workload = KERNEL.prepare(backend, msgspec.structs.replace(parameters, page_cache=state))
    for _ in range(2):
        workload.before_step()
        workload.step()
    check = workload.verify()
    assert check.passed
    figures = {figure.name: figure.value for figure in workload.figures(0.5)}
    assert figures["delivered"] == 93 * 4352 / 0.5
    assert figures["shuffled"] == "all records"
    assert str(figures["page_cache"]).startswith("dropped by" if state == "cold" else "warm")
    workload.close()


@pytest.mark.parametrize("backend", ["serial", "parallel", "optimised"])
def test_text_shards_are_compared_with_another_parser(parameters, backend):
    workload = KERNEL.prepare(backend, msgspec.structs.replace(parameters, form="text"))
    workload.step()
    assert all(path.suffix == ".csv" for path in workload.share.paths)
    assert workload.verify().passed
    assert workload.work().storage_bytes == 93 * 17408
    workload.close()


@pytest.mark.parametrize(("cache", "storage_bytes"), [("memory", 0), ("disk", 93 * 4352)])
def test_cached_epochs_verify_and_count_what_they_move(parameters, cache, storage_bytes):
    workload = KERNEL.prepare("optimised", msgspec.structs.replace(parameters, form="text", cache=cache))
    for _ in range(2):
        workload.step()
    assert workload.verify().passed
    work = workload.work()
    assert (work.storage_bytes, work.memory_bytes, work.flops) == (storage_bytes, 2 * 93 * 4352, 0)
    assert "fill" in {figure.name for figure in workload.figures(1.0)}
    workload.close()


def test_fed_steps_give_the_stall(parameters):
    workload = KERNEL.prepare("optimised", msgspec.structs.replace(parameters, fed_steps=2))
    workload.step()
    figures = {figure.name: figure.value for figure in workload.figures(1.0)}
    assert 0 < figures["stall"] < 1
    assert figures["fed_step"] > 0
    assert workload.verify().passed
    workload.close()


def test_value_that_is_off_by_more_than_its_column_s_rounding_does_not_verify(parameters):
    workload = KERNEL.prepare("memmap", parameters)
    workload.step()
    assert workload.verify().passed
    # of the column with the smallest values, whose error another column's tolerance would hide
    smallest = np.argmin(workload.share.offset**2 + workload.share.scale**-2.0)
    workload.share.offset[smallest] *= 1 + 2.0**-20
    assert not workload.verify().passed
    workload.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_wrong_normalisation_does_not_verify(parameters, backend):
    workload = KERNEL.prepare(backend, parameters)
    workload.share.scale[-1] *= 1.05
    # some hold the scale of when they were made
    workload.reader.close()
    workload.reader = type(workload.reader)(workload.share, workload.reader.options)
    workload.step()
    assert not workload.verify().passed
    workload.close()


def test_record_that_comes_twice_does_not_verify(parameters):
    workload = KERNEL.prepare("memmap", parameters)
    workload.step()
    workload.order[0][0] = workload.order[1][0]
    assert workload.verify().error == np.inf
    workload.close()


def test_epochs_differ_and_follow_the_seed(parameters):
    def orders(seed):
        workload = KERNEL.prepare("serial", msgspec.structs.replace(parameters, seed=seed))
        found = []
        for _ in range(2):
            workload.step()
            found.append(np.concatenate(workload.order))
        return found

    first, second = orders(0)
    assert not np.array_equal(first, second)
    assert np.array_equal(orders(0), [first, second])
    assert not np.array_equal(orders(1)[0], first)


def test_cold_without_the_untimed_hook_is_said(parameters):
    workload = KERNEL.prepare("serial", msgspec.structs.replace(parameters, page_cache="cold"))
    workload.step()
    assert {figure.value for figure in workload.figures(1.0)} >= {"not dropped: before_step was not called"}


def test_work_counts_files_and_memory(parameters):
    work = KERNEL.prepare("serial", parameters).work()
    assert (work.items, work.storage_bytes, work.memory_bytes) == (93, 93 * 4352, 2 * 93 * 4352)
    assert work.flops == 2 * 93 * 1088


def test_weak_scaling_keeps_a_rank_s_share():
    one = KERNEL.parameters()
    three = KERNEL.grow(one, 3)
    assert (three.records, three.shards, three.batch) == (3 * one.records, 3 * one.shards, one.batch)


@pytest.mark.parametrize(
    ("changes", "ranks", "message"),
    [
        ({"shards": 2, "records": 200, "batch": 10}, 3, "shards: 2 cannot be divided over 3 ranks"),
        ({"shards": 300, "records": 200, "batch": 10}, 1, "shards: found 300; right would be at most records=200"),
        ({"records": 200, "batch": 97}, 2, "batch: found 97, and the smallest share of 2 ranks has 96 records"),
        ({"records": 110, "shards": 5, "batch": 50}, 2, "share of 2 ranks has 44 records; right would be at most 44"),
        ({"dataset": "nowhere"}, 1, "data set nowhere: no such folder"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(changes, ranks, message):
    with pytest.raises(InputError, match=message):
        KERNEL.check(KERNEL.parameters(**changes), ranks)


def test_named_data_set_is_read_and_its_size_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path / "unused"))
    generate(tmp_path / "mine", 40, 2, 5)
    parameters = KERNEL.parameters(dataset=str(tmp_path / "mine"), batch=8)
    with pytest.raises(InputError, match="set records=40, shards=2 and form=binary"):
        KERNEL.check(parameters, 1)
    workload = KERNEL.prepare("parallel", msgspec.structs.replace(parameters, records=40, shards=2))
    workload.step()
    assert workload.verify().passed
    workload.close()
    assert not (tmp_path / "unused").exists()


def test_damaged_default_data_set_is_found_before_launching(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path))
    (ensure_dataset(20, 2, 0) / "shard-00001.bin").unlink()
    with pytest.raises(InputError, match=r"shard-00001\.bin: missing"):
        KERNEL.check(KERNEL.parameters(records=20, shards=2, batch=4), 1)


def test_unknown_cache_state_is_refused():
    with pytest.raises(InputError, match="parameter page_cache"):
        parse_parameters(KERNEL, {"page_cache": "tepid"})


TWO_RANKS = """
import sys
from mpi4py import MPI
from kernels.data.input_pipeline import KERNEL

comm = MPI.COMM_WORLD
for backend in ("serial", "parallel", "optimised", "memmap", "dataloader"):
    workload = KERNEL.prepare(backend, KERNEL.parameters(records=77, shards=5, batch=16, reader_threads=1), comm)
    workload.step()
    assert workload.verify().passed
    shares = comm.allgather({path.name for path in workload.share.paths})
    assert not shares[0] & shares[1] and len(shares[0] | shares[1]) == 5, shares
    assert comm.allreduce(workload.delivered) == 77
    assert "each rank's own shards" in [figure.value for figure in workload.figures(1.0)]
    assert workload.work().storage_bytes == 47 * 4352
    workload.close()
"""


def test_two_ranks_read_disjoint_shards_that_are_all(root, monkeypatch):
    monkeypatch.setenv("SCALEMARK_DATA", str(root / "two"))
    mpiexec = str(Path(sys.executable).parent / "mpiexec")
    subprocess.run([mpiexec, "-n", "2", sys.executable, "-c", TWO_RANKS], check=True, timeout=120)


FAILING_RANKS = """
from mpi4py import MPI
from kernels.api import InputError
from kernels.data.input_pipeline import KERNEL

try:
    KERNEL.prepare("serial", KERNEL.parameters(records=110, shards=5, batch=16), MPI.COMM_WORLD)
except InputError as error:
    assert "cannot be written" in str(error)
else:
    raise SystemExit("no InputError")
"""


def test_place_that_cannot_be_written_stops_every_rank(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path / "file" / "data"))
    mpiexec = str(Path(sys.executable).parent / "mpiexec")
    subprocess.run([mpiexec, "-n", "2", sys.executable, "-c", FAILING_RANKS], check=True, timeout=120)
