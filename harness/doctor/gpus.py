"""GPUs: which there are, who else uses them, and whether torch can."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import Area, Finding, in_gb
from kernels.communication.process_group import cuda_missing

AREA = Area("GPU")
_MIB = 1 << 20
_FIELDS = ("index", "name", "driver_version", "memory.total", "memory.used", "utilization.gpu", "persistence_mode",
           "compute_mode", "mig.mode.current")  # fmt: skip
# a display or a driver's own context takes some; a program takes more
_USED_MIB, _BUSY_PERCENT = 1000, 5


def query() -> list[str]:
    """The command that lists the GPUs, one line each, for `judge_devices`."""
    return ["nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]


def examine_gpus(root: Path) -> Iterator[Finding]:
    """The machine's GPUs as the driver sees them, and torch's ability to use them."""
    if (root / "dev/kfd").exists():
        yield AREA.ok("AMD driver", "present (/dev/kfd)")
    if not (root / "proc/driver/nvidia").exists():
        yield AREA.ok("NVIDIA driver", "none: cases run on the CPU, --device cuda is not to be had")
        return
    if shutil.which("nvidia-smi") is None:
        yield AREA.warning(
            "NVIDIA driver", "loaded, but there is no nvidia-smi on PATH", "GPUs cannot be looked at from here",
            "install the driver's utilities, or in a container start it with the GPUs (apptainer --nv)",
        )  # fmt: skip
        return
    told = subprocess.run(query(), capture_output=True, text=True, timeout=15)
    if told.returncode != 0:
        yield AREA.warning(
            "NVIDIA driver", f"nvidia-smi: {(told.stdout + told.stderr).strip()}", "no case can use the GPUs",
            "make driver and library agree (a reboot after an update), and see dmesg for Xid errors",
        )  # fmt: skip
        return
    yield from judge_devices(told.stdout)
    yield from _judge_torch(cuda_missing())


def judge_devices(listing: str) -> Iterator[Finding]:
    """Findings from the lines that `query` prints: numbers in MiB and per cent, ``[N/A]`` where there is none."""
    for line in listing.splitlines():
        values = dict(zip(_FIELDS, (part.strip() for part in line.split(",")), strict=True))
        subject = f"GPU {values['index']}"
        total_bytes = int(values["memory.total"]) * _MIB if values["memory.total"].isdecimal() else 0
        yield AREA.ok(subject, f"{values['name']}, {in_gb(total_bytes)}, driver {values['driver_version']}")
        yield from _judge_use(subject, values)
        yield from _judge_modes(subject, values)


def _judge_use(subject: str, values: dict[str, str]) -> Iterator[Finding]:
    used, busy = values["memory.used"], values["utilization.gpu"]
    if (used.isdecimal() and int(used) > _USED_MIB) or (busy.isdecimal() and int(busy) > _BUSY_PERCENT):
        yield AREA.warning(
            f"{subject} in use", f"{used} MiB taken, {busy} % busy",
            "another program computes on it: samples share its time and memory",
            "see who with nvidia-smi, and take GPUs of your own (Slurm: --gpus-per-node)",
        )  # fmt: skip


def _judge_modes(subject: str, values: dict[str, str]) -> Iterator[Finding]:
    if values["compute_mode"] == "Prohibited":
        yield AREA.warning(
            f"{subject} mode", "Prohibited", "no program may compute on it", "nvidia-smi --compute-mode=DEFAULT (root)"
        )
    if values["persistence_mode"] == "Disabled":
        yield AREA.note(
            f"{subject} persistence", "off", "the driver unloads between programs: the first use of each launch waits "
            "a second or more, and clocks start low", "nvidia-smi --persistence-mode=1 (root)",
        )  # fmt: skip
    if values["mig.mode.current"] == "Enabled":
        yield AREA.note(
            f"{subject} MIG", "on: programs see slices of the GPU",
            "a slice has its own share of memory bandwidth and units: its limits are not the whole GPU's",
            "compare only with results of the same slice profile (nvidia-smi -L)",
        )  # fmt: skip


def _judge_torch(missing: str | None) -> Iterator[Finding]:
    if missing is None:
        yield AREA.ok("torch", "built for CUDA")
    else:
        yield AREA.warning(
            "torch", missing, "the GPUs stay idle: cases with --device cuda cannot run",
            "install torch for CUDA from its own index, or use the gpu image (scalemark build gpu)",
        )  # fmt: skip
