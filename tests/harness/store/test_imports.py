"""Other tools' files, as they write them (made up here, in their formats), and what they become."""

import json

import pytest

from harness.store.imports import read_foreign
from harness.store.imports.foreign import better_of, seconds_of
from kernels.api import InputError

OSU = """
# OSU MPI Allreduce Latency Test v7.4
# Datatype: MPI_CHAR.
# Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations
4                       1.50              1.20              1.80        1000
1024                    2.25              2.00              2.50        1000

# OSU MPI Bandwidth Test v7.4
# Size      Bandwidth (MB/s)
1                       4.00
1000000              5000.00

# OSU MPI Barrier Latency Test v7.4
# Avg Latency(us)
             0.75
"""

NCCL = """
# nccl-tests version 2.16.4 nccl-headers=22707 nccl-library=22707
# Collective test starting: all_reduce_perf
# nThread 1 nGpus 8 minBytes 1048576 maxBytes 2097152 step: 2(factor) warmup iters: 1 iters: 20 agg iters: 1
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  (GB/s)
     1048576        262144     float     sum      -1    30.00   34.95   61.17       0    29.00   36.16   63.28       0
     2097152        524288     float     sum      -1    50.00   41.94   73.40       3    49.00   42.80   74.90       0
# Out of bounds values : 1 FAILED
# Avg bus bandwidth    : 68.1
"""

OLD_NCCL = """
#       size         count      type   redop     time   algbw   busbw  error     time   algbw   busbw  error
#        (B)    (elements)                       (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
     1048576        262144     float     sum    30.00   34.95   61.17  2e-07    29.00   36.16   63.28  2e-07
"""

REFRAME = """\
result|job_completion_time|name|system|partition|environ|num_tasks|copy_bw_value|copy_bw_unit|copy_bw_ref|copy_bw_lower|copy_bw_upper|elapsed_value|elapsed_unit|elapsed_ref|elapsed_lower|elapsed_upper|points_value|points_unit
pass|2026-11-01T10:00:00|stream|daint|gpu|gnu|4|20000.0|MB/s|20000|-0.1|null|2.5|s|0|null|null|7|points
fail|2026-11-02T10:00:00|stream|daint|gpu|gnu|4|10000.0|MB/s|20000|-0.1|null|5.0|s|0|null|null|7|points
"""


@pytest.mark.parametrize(
    ("unit", "better"),
    [
        *((unit, "lower") for unit in ("ps", "us", "seconds")),
        *((unit, "higher") for unit in ("MB/s", "images/second", "steps per second", "GFLOPS", "Gbps", "fps", "kHz")),
        *((unit, "neither") for unit in ("steps", "hops", "chips", "loops", "%", "points")),
    ],
)
def test_a_unit_is_a_rate_a_time_or_neither(unit, better):
    assert better_of(unit) == better


def test_a_picosecond_is_one():
    assert seconds_of(250.0, "ps") == pytest.approx(250e-12)


@pytest.fixture
def read(tmp_path):
    """Reads a text as a file of that name; the runs by what follows the tool in their case's id."""

    def read_text(text, name="new.txt"):
        path = tmp_path / name
        path.write_text(text)
        runs, damages = read_foreign(path)
        assert damages == []
        return {run.case.id.partition(".")[2]: run for run in runs}

    return read_text


def test_osu_latencies_bandwidths_and_tables_without_a_size(read):
    runs = read(OSU)
    assert runs["MPI-Allreduce-Latency.4"].samples_s == [pytest.approx(1.5e-6)]
    assert runs["MPI-Allreduce-Latency.1024"].samples_s == [pytest.approx(2.25e-6)]
    # a message of 1 MB at 5000 MB/s takes 200 us
    assert runs["MPI-Bandwidth.1000000"].samples_s == [pytest.approx(200e-6)]
    assert runs["MPI-Bandwidth.1000000"].figures[0].value == 5e9
    assert runs["MPI-Barrier-Latency"].samples_s == [pytest.approx(0.75e-6)]
    assert len(runs) == 5


def test_nccl_tests_of_new_and_old_versions_and_a_row_with_wrong_elements(read):
    runs = read(NCCL)
    good = runs["all_reduce_perf.float.sum.1048576.in-place"]
    assert good.samples_s == [pytest.approx(29e-6)]
    assert {figure.name: figure.value for figure in good.figures} == {
        "algorithm_bandwidth": pytest.approx(36.16e9),
        "bus_bandwidth": pytest.approx(63.28e9),
    }
    wrong = runs["all_reduce_perf.float.sum.2097152.out-of-place"]
    assert (wrong.status, wrong.message) == ("failed", "3 wrong elements")
    assert len(runs) == 4
    assert read(OLD_NCCL)["float.sum.1048576.out-of-place"].samples_s == [pytest.approx(30e-6)]


PER_ITERATION_NCCL = """
# Collective test starting: sendrecv_perf
#       size         count      type   redop    root     time   algbw   busbw  #wrong    i_min    i_max    i_p99    i_cv%     time   algbw   busbw  #wrong    i_min    i_max    i_p99    i_cv%
           0             0     float     sum      -1     5.70    0.00    0.00     N/A     5.00     6.00     6.00     1.00     5.54    0.00    0.00     N/A     5.00     6.00     6.00     1.00
           0             0     float     sum      -1     5.90    0.00    0.00     N/A     5.00     6.00     6.00     1.00     5.50    0.00    0.00     N/A     5.00     6.00     6.00     1.00
        1024           256     float     sum      -1     7.00    0.10    0.10       0     5.00     9.00     8.00     1.00     8.00    0.10    0.10   1e+06     5.00     9.00     8.00     1.00
"""  # noqa: E501

FURTHER_OSU = """
# OSU MPI Multiple Bandwidth / Message Rate Test v7.4
# [ pairs: 1 ] [ window size: 64 ]
# Size                  MB/s        Messages/s
1000                 2000.00        2000000.00

# OSU MPI Non-blocking Barrier Latency Test v7.4
# Overall = Init + Compute + Wait
# Overall(us)       Compute(us)    Pure Comm.(us)        Overlap(%)
         5.00              2.00              3.00             66.00

# OSU MPI Allreduce Latency Test v7.4
# Datatype: MPI_FLOAT.
# Size       Avg Latency(us)  Validation
4                       1.50        Pass
8                       1.50        Fail
"""


def test_nccl_tests_with_extremes_behind_each_place_and_sizes_that_repeat(read):
    runs = read(PER_ITERATION_NCCL)
    assert runs["sendrecv_perf.float.sum.1024.out-of-place"].samples_s == [pytest.approx(7e-6)]
    assert runs["sendrecv_perf.float.sum.1024.in-place"].message == "1000000 wrong elements"
    repeated = runs["sendrecv_perf.float.sum.0.in-place"]
    assert (repeated.samples_s, repeated.launch.repeat) == ([pytest.approx(5.54e-6), pytest.approx(5.5e-6)], 0)
    host_times = read(NCCL.replace("    time   algbw", " cputime   algbw"))
    assert host_times["all_reduce_perf.float.sum.1048576.in-place"].samples_s == [pytest.approx(29e-6)]


def test_osu_message_rates_nonblocking_datatypes_and_validation(read):
    runs = read(FURTHER_OSU)
    assert runs["MPI-Multiple-Bandwidth-Message-Rate.1000"].samples_s == [pytest.approx(0.5e-6)]
    assert runs["MPI-Non-blocking-Barrier-Latency"].samples_s == [pytest.approx(5e-6)]
    assert runs["MPI-Allreduce-Latency.MPI_FLOAT.4"].samples_s == [pytest.approx(1.5e-6)]
    assert (runs["MPI-Allreduce-Latency.MPI_FLOAT.8"].message, len(runs)) == ("the validation failed", 4)


@pytest.mark.parametrize("tag", ["[1,0]<stdout>:", "[prterun-host-12@1,0]<stdout>: ", "0: ", " 3: "])
def test_lines_that_a_launcher_has_labelled_are_read_like_others(read, tag):
    for text in (OSU, NCCL):
        labelled = "\n".join(f"{tag}{line}" for line in text.splitlines())
        assert {name: run.samples_s for name, run in read(labelled).items()} == {
            name: run.samples_s for name, run in read(text).items()
        }


def test_equal_names_in_other_folders_are_other_launches_of_a_history(tmp_path):
    for folder in ("january", "february"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "run.txt").write_text(OSU)
    runs, _ = read_foreign(tmp_path)
    assert len({(run.sweep, run.run_id, run.case.id) for run in runs}) == len(runs) == 10


def test_reframe_times_rates_and_failed_runs(tmp_path):
    path = tmp_path / "stream.log"
    path.write_text(REFRAME)
    runs, _ = read_foreign(path)
    elapsed = [run for run in runs if run.case.id == "reframe.stream.daint:gpu+gnu.elapsed"]
    assert [run.status for run in elapsed] == ["ok", "failed"]
    assert elapsed[0].samples_s == [2.5]
    assert [run.launch.repeat for run in elapsed] == [0, 1]
    rate = next(run for run in runs if run.case.id.endswith("copy_bw"))
    assert rate.samples_s == [pytest.approx(1 / 20000)]
    assert {figure.name: figure.better for figure in rate.figures} == {
        "copy_bw": "higher", "elapsed": "lower", "points": "neither",
    }  # fmt: skip
    assert not any(run.case.id.endswith("points") for run in runs)


def test_google_benchmark_repetitions_aggregates_and_errors(read):
    document = {
        "context": {"date": "2026-11-01", "host_name": "h", "num_cpus": 4, "mhz_per_cpu": 3000},
        "benchmarks": [
            {"name": "sort/8", "run_name": "sort/8", "run_type": "iteration", "real_time": 10.0, "time_unit": "us"},
            {"name": "sort/8", "run_name": "sort/8", "run_type": "iteration", "real_time": 12.0, "time_unit": "us"},
            {"name": "sort/8_mean", "run_name": "sort/8", "run_type": "aggregate", "aggregate_name": "mean",
             "real_time": 11.0, "time_unit": "us"},
            {"name": "only_median", "run_name": "only", "run_type": "aggregate", "aggregate_name": "median",
             "real_time": 7.0, "time_unit": "ms"},
            {"name": "bad", "run_name": "bad", "run_type": "iteration", "error_occurred": True, "error_message": "no"},
        ],
    }  # fmt: skip
    runs = read(json.dumps(document))
    assert runs["sort/8"].samples_s == [pytest.approx(10e-6), pytest.approx(12e-6)]
    assert runs["only"].samples_s == [pytest.approx(7e-3)]
    assert (runs["bad"].status, runs["bad"].message) == ("failed", "no")


def test_pytest_benchmark_with_and_without_its_rounds(read):
    document = {
        "machine_info": {"node": "h", "cpu": {"brand_raw": "X", "count": 2}},
        "commit_info": {"id": "abc"},
        "datetime": "2026-11-01T00:00:00",
        "benchmarks": [
            {"fullname": "t.py::test_a", "stats": {"median": 2.0, "data": [1.0, 2.0, 3.0]}},
            {"fullname": "t.py::test_b", "stats": {"median": 2.0}},
        ],
    }
    runs = read(json.dumps(document))
    assert runs["t.py::test_a"].samples_s == [1.0, 2.0, 3.0]
    assert runs["t.py::test_b"].samples_s == [2.0]
    assert json.loads(bytes(runs["t.py::test_a"].environment))["cpu"]["model"] == "X"


def test_the_files_of_a_folder_are_launches_and_strangers_among_them_are_named(tmp_path):
    for name in ("run1.txt", "run2.txt", "run3.txt"):
        (tmp_path / name).write_text(OSU)
    (tmp_path / "notes.md").write_text("nothing")
    runs, (damage,) = read_foreign(tmp_path)
    launches = [run.launch.repeat for run in runs if run.case.id == "osu.MPI-Barrier-Latency"]
    assert launches == [0, 1, 2]
    assert damage.path.name == "notes.md"


@pytest.mark.parametrize(
    "text", ["", "hello", "{}", '{"benchmarks": 1, "context": {}}', "{", NCCL.replace("30.00", "oops"), "\x00"]
)
def test_a_file_of_nobody_or_a_damaged_one_is_refused_in_one_line(read, text):
    with pytest.raises(InputError) as caught:
        read(text)
    assert "new.txt" in str(caught.value)
    assert "\n" not in str(caught.value)
