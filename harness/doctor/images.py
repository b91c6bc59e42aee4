"""Apptainer and images: can they run here, for whom, and do the ranks inside meet."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness.doctor import trial
from harness.doctor.finding import Area, Finding, Severity, in_gb
from harness.doctor.tree import read_number
from harness.images import image
from harness.images.container import gpu_options
from harness.images.stacks import open_image
from harness.store.record import Stack
from kernels.api import InputError

AREA = Area("images")
_RANKS = 2
_MEND_PAIRING = (
    "start with an MPI of the family inside (our images hold MPICH: its mpiexec, or srun --mpi=pmi2), named by "
    "SCALEMARK_MPI; or build the image with the host's MPI"
)
_COUNT_GPUS = "import torch; print(torch.cuda.device_count())"


def examine_apptainer(root: Path, asked: bool) -> Iterator[Finding]:
    """Which Apptainer there is, and whether users who are not root can run images with it."""
    severity: Severity = "error" if asked else "note"
    try:
        path = image.find_apptainer()
    except InputError as error:
        yield AREA.judge(severity, "Apptainer", "not on PATH", "sweeps with --stack cannot run", str(error))
        return
    told = subprocess.run([path, "buildcfg"], capture_output=True, text=True, timeout=15).stdout
    settings = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    yield AREA.ok("Apptainer", f"{settings.get('PACKAGE_VERSION', 'of no known version')} ({path})")
    programs = [Path(settings.get("LIBEXECDIR", "/usr/libexec"), "apptainer/bin"), *map(Path, os.get_exec_path())]
    yield from examine_privileges(root, programs, has_setuid_starter(programs))
    yield examine_mounting(root, programs)


def has_setuid_starter(programs: list[Path]) -> bool:
    """Whether Apptainer was installed with a helper that acts as root for everybody."""
    try:
        status = (programs[0] / "starter-suid").stat()
    except OSError:
        return False
    return bool(status.st_mode & stat.S_ISUID) and status.st_uid == 0


def examine_privileges(root: Path, programs: list[Path], setuid: bool) -> Iterator[Finding]:
    """Whether the kernel lets a user set up a container: by user namespaces, or by the setuid helper."""
    kernel = root / "proc/sys"
    barriers = {
        "user.max_user_namespaces is 0": read_number(kernel / "user/max_user_namespaces") == 0,
        "kernel.unprivileged_userns_clone is 0": read_number(kernel / "kernel/unprivileged_userns_clone") == 0,
        "kernel.apparmor_restrict_unprivileged_userns is 1":
            read_number(kernel / "kernel/apparmor_restrict_unprivileged_userns") == 1,
    }  # fmt: skip
    closed = [sentence for sentence, holds in barriers.items() if holds]
    if not closed:
        yield AREA.ok("unprivileged", "users can run images: user namespaces are open")
    elif setuid:
        yield AREA.ok("unprivileged", f"users can run images by the setuid starter ({'; '.join(closed)})")
    else:
        yield AREA.warning(
            "unprivileged", f"{'; '.join(closed)}, and there is no setuid starter",
            "users who are not root may be refused: image runs end before their first rank",
            "open user namespaces with sysctl (root), give apptainer an AppArmor profile, or install apptainer-suid",
        )  # fmt: skip
    helper = shutil.which("newuidmap", path=os.pathsep.join(map(str, programs)))
    if helper is None:
        yield AREA.note(
            "building", "no newuidmap", "users who are not root cannot build images (--fakeroot wants it)",
            "install uidmap and give the user a range in /etc/subuid and /etc/subgid",
        )  # fmt: skip


def examine_mounting(root: Path, programs: list[Path]) -> Finding:
    """Whether an image is mounted where it lies, or unpacked into a folder at every start."""
    path = os.pathsep.join(map(str, programs))
    lacking = [] if os.access(root / "dev/fuse", os.R_OK | os.W_OK) else ["/dev/fuse (readable and writable)"]
    if not any(shutil.which(name, path=path) for name in ("squashfuse_ll", "squashfuse")):
        lacking.append("squashfuse")
    if not lacking:
        return AREA.ok("mounting", "images are mounted where they lie (FUSE, squashfuse)")
    return AREA.warning(
        "mounting", f"{' and '.join(lacking)} not here",
        "without root each rank's start unpacks the whole image: gigabytes, and minutes on a shared file system",
        "install squashfuse and fuse3, chmod 666 /dev/fuse (root)",
    )  # fmt: skip


def examine_image(path: Path, start: bool) -> Iterator[Finding]:
    """An image as a sweep would use it: whole and known; with ``start`` two ranks in it really started and counted."""
    try:
        stack = open_image(path)
    except InputError as error:
        yield AREA.error(
            path.name, str(error), "a sweep refuses it", "build it from this checkout: scalemark build NAME"
        )
        return
    info = image.inspect(path)
    yield AREA.ok(path.name, f"kernel {info.kernel}, {in_gb(info.size_bytes)}, SHA-256 {info.sha256[:12]}")
    if start:
        yield from _count_ranks(stack)
    if shown := gpu_options():
        yield _count_gpus(path, shown)


def _count_ranks(stack: Stack) -> Iterator[Finding]:
    two = trial.run_here(_RANKS, stack)
    action = _MEND_PAIRING if two.passed else f"{_library_inside(stack)}; {_MEND_PAIRING}"
    yield from trial.judge(AREA, f"{stack.name}: two ranks", two, action)


def _library_inside(stack: Stack) -> str:
    """Which MPI the image holds, asked of a rank that is alone."""
    one = trial.run_here(1, stack)
    return f"the MPI inside is {trial.describe_mpi(one.record)}" if one.passed else "even one rank does not run in it"


def _count_gpus(path: Path, shown: list[str]) -> Finding:
    """How many GPUs torch sees in the image, with the options that show them."""
    command = [image.find_apptainer(), "exec", *shown, "--no-home", str(path), "python", "-c", _COUNT_GPUS]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    count = told.stdout.strip()
    if told.returncode == 0 and count != "0":
        return AREA.ok(f"{path.name}: GPUs", f"torch sees {count}")
    said = told.stderr.strip().splitlines() or [f"exit code {told.returncode}"]
    return AREA.note(
        f"{path.name}: GPUs", "torch sees none" if told.returncode == 0 else f"torch cannot say: {said[-1]}",
        "cases with --device cuda cannot run in it", "use an image that stands on the gpu base (scalemark build gpu)",
    )  # fmt: skip
