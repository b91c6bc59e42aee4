from __future__ import annotations

import pytest

from harness.doctor import slurm

CONFIG = """Configuration data as of 2026-01-02T03:04:05
AccountingStorageType   = accounting_storage/none
ClusterName             = big
EnforcePartLimits       = {limits}
MinJobAge               = 300 sec
ProctrackType           = {tracking}
SLURM_VERSION           = 23.11.4
TaskPlugin              = task/affinity,task/cgroup

Cgroup Support Configuration:
ConstrainCores          = yes
ConstrainRAMSpace       = {memory}

Slurmctld(primary) at host is UP
"""


@pytest.mark.parametrize(
    "text",
    ["MPI plugin types are...\n\tpmix\n\tnone\n\tpmi2\nspecific pmix plugin versions available: pmix_v4\n",
     "srun: MPI types are...\nsrun: none\nsrun: pmi2\nsrun: pmix\nsrun: pmix_v4\n"],
    ids=["since 22.05", "before"],
)  # fmt: skip
def test_mpi_types_of_old_and_new_versions(text: str) -> None:
    assert slurm.parse_mpi_types(text) == ["none", "pmi2", "pmix", "pmix_v4"]


def _severities(**values: str) -> dict[str, str]:
    text = CONFIG.format(**({"limits": "ALL", "tracking": "proctrack/cgroup", "memory": "yes"} | values))
    return {found.subject: found.severity for found in slurm.judge_config(slurm.parse_config(text))}


def test_a_cluster_that_holds_jobs_to_what_they_asked_for_is_fine() -> None:
    assert set(_severities().values()) == {"ok"}


def test_impossible_jobs_that_wait_for_ever_are_a_warning() -> None:
    assert _severities(limits="NO")["impossible jobs"] == "warning"


@pytest.mark.parametrize("values", [{"tracking": "proctrack/linuxproc"}, {"memory": "no"}])
def test_jobs_that_are_not_held_are_a_note(values: dict[str, str]) -> None:
    assert _severities(**values)["containment"] == "note"


def test_partitions_with_their_shape_and_the_nodes_that_are_away() -> None:
    listing = "gpu|up|3|64|1-00:00:00|gpu:h100:4|idle\ngpu|up|1|64|1-00:00:00|gpu:h100:4|down*\n"
    shape, away = slurm.judge_partitions(listing + "debug|up|2|8|30:00|(null)|mix-\n")
    assert shape.found == "gpu: 4 × 64 CPUs, gpu:h100:4, at most 1-00:00:00; debug: 2 × 8 CPUs, at most 30:00"
    assert (away.subject, away.severity) == ("partition gpu", "note")
    assert "3 of 4" in away.found
