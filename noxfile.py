"""Every job a person or CI runs. All of them share the environment that nox itself is installed in.

python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox -s sweep
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests", "lint"]

ROOT = Path(__file__).parent
EXTRAS = "peers,report,dev"
BIN = Path(sys.executable).parent


def install(session: nox.Session) -> None:
    """Install the suite with everything a local sweep and the tests use, unless that is what is installed."""
    if sys.prefix == sys.base_prefix:
        session.error("nox runs outside a virtual environment: python3 -m venv .venv && .venv/bin/pip install nox")
    inputs = (ROOT / "pyproject.toml").read_bytes() + (ROOT / "constraints.txt").read_bytes() + str(ROOT).encode()
    wanted = hashlib.sha256(inputs).hexdigest()
    marker = Path(sys.prefix) / "scalemark-installed"
    if not marker.exists() or marker.read_text() != wanted:
        # torch comes first: asked for by others it would bring its newest build with gigabytes of GPU packages
        pip(session, "torch")
        pip(session, "--editable", f"{ROOT}[{EXTRAS}]")
        marker.write_text(wanted)
    # where mpiexec, scalemark and the rest of this environment lie
    session.env["PATH"] = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])


def pip(session: nox.Session, *what: str) -> None:
    """Install into the shared environment, in the versions of constraints.txt."""
    arguments = ["--quiet", "--disable-pip-version-check", "--constraint", str(ROOT / "constraints.txt")]
    session.run(sys.executable, "-m", "pip", "install", *arguments, *what)


@nox.session
def sweep(session: nox.Session) -> None:
    """The main job: sweep all kernels over ranks on this machine and print the scaling tables."""
    install(session)
    names = session.posargs or ["local_strong", "local_weak"]
    session.run(str(BIN / "scalemark"), "sweep", *names)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests that need no cluster."""
    install(session)
    session.run(sys.executable, "-m", "pytest", "-m", "not cluster", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types."""
    install(session)
    session.run(sys.executable, "-m", "ruff", "check", ".")
    session.run(sys.executable, "-m", "ruff", "format", "--check", ".")
    session.run(sys.executable, "-m", "mypy")


@nox.session
def cluster(session: nox.Session) -> None:
    """Put up a four-node Slurm with Apptainer, build the images, run the cluster's journeys, take it down."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        session.error("the cluster session needs root on a Debian machine: it installs Slurm and Apptainer")
    install(session)
    scripts = ROOT / "tests" / "cluster"
    session.env["SCALEMARK_IMAGES"] = str(ROOT / "images")
    session.run(str(scripts / "setup-apptainer.sh"), external=True)
    session.run(str(scripts / "start-slurm.sh"), "4", "2", external=True)
    try:
        session.run(str(BIN / "scalemark"), "build")
        session.run(sys.executable, "-m", "pytest", "-m", "cluster", *session.posargs)
    finally:
        session.run(str(scripts / "stop-slurm.sh"), external=True)


@nox.session
def orchestration(session: nox.Session) -> None:
    """What the harness costs a case, beside a peer's cost."""
    install(session)
    session.run(sys.executable, "benchmarks/orchestration.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The pages of docs/ that are made from the code."""
    install(session)
    session.run(sys.executable, "docs/make_commands.py")


@nox.session
def microbench(session: nox.Session) -> None:
    """Microbenchmarks of the hot single-process pieces; every run is kept under .benchmarks/."""
    install(session)
    options = ["--benchmark-autosave", "--benchmark-group-by=func", "--benchmark-columns=min,median,iqr,rounds"]
    session.run(sys.executable, "-m", "pytest", "benchmarks", *options, *session.posargs)
