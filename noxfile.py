"""Every job a person or CI runs. All of them share the environment that nox itself is installed in.

python3 -m venv .venv && .venv/bin/pip install nox && .venv/bin/nox -s sweep
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests", "lint"]

ROOT = Path(__file__).parent
EXTRAS = "peers,studies,report,dev"
TENSORFLOW = "tensorflow-cpu==2.21.0"
# tests that time the machine, beside which nothing may run
ALONE = [
    ROOT / "tests" / "kernels" / "calibration",
    ROOT / "tests" / "harness" / "measure" / "test_global_clock.py",
    ROOT / "tests" / "harness" / "measure" / "test_synchronisation.py",
    ROOT / "tests" / "harness" / "present" / "report" / "test_page.py",
]
# journeys of the cluster that wait for clocks more than they work, and need no image
WITHOUT_IMAGES = [ROOT / "tests" / "journeys" / "test_cluster.py", ROOT / "tests" / "journeys" / "test_doctor.py"]
# what the cluster's tests run in; longest check first; `scalemark build` builds an image for each kernel
IMAGES = ["mtl_step", "circuit_sim", "qcnn_layer", "input_pipeline", "allreduce", "nothing"]
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
    """All tests that need no cluster: two files at a time, and those that time the machine alone."""
    install(session)
    pytest = [sys.executable, "-m", "pytest", "-m", "not cluster"]
    if session.posargs:
        session.run(*pytest, *session.posargs)
        return
    # tests start more ranks than there are cores: those that wait give way
    env = {"OMP_NUM_THREADS": "1", "MPIR_CVAR_POLLS_BEFORE_YIELD": "1"}
    session.run(*pytest, "--numprocesses=2", "--dist=loadfile", *(f"--ignore={path}" for path in ALONE), env=env)
    session.run(*pytest, *map(str, ALONE))


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
    scripts = ROOT / "tests" / "cluster"
    session.env["SCALEMARK_IMAGES"] = str(ROOT / "images")
    pytest = [sys.executable, "-m", "pytest", "-m", "cluster"]
    with behind(session, str(scripts / "setup-apptainer.sh")):
        install(session)
    try:
        with behind(session, "nice", str(BIN / "scalemark"), "build", *IMAGES):
            session.run(str(scripts / "start-slurm.sh"), "4", "2", external=True)
            # faults are mostly waited for: time in which the machine builds
            if not session.posargs:
                session.run(*pytest, *map(str, WITHOUT_IMAGES))
        # puts nodes back into service that Slurm took out over a job whose processes did not end in time
        session.run(str(scripts / "start-slurm.sh"), "4", "2", external=True)
        # named, or pytest would collect thousands to leave all but these out
        others = [path for path in sorted(ROOT.glob("tests/**/test_*.py")) if "mark.cluster" in path.read_text()]
        session.run(*pytest, *(session.posargs or [str(path) for path in others if path not in WITHOUT_IMAGES]))
    finally:
        session.run(str(scripts / "stop-slurm.sh"), external=True)


@contextlib.contextmanager
def behind(session: nox.Session, *command: str) -> Iterator[None]:
    """Run a command behind whatever is done meanwhile, and wait for it."""
    session.log(" ".join(command))
    env = {**os.environ, **session.env}
    process = subprocess.Popen(command, env={name: value for name, value in env.items() if value is not None})
    try:
        yield
        if process.wait():
            session.error(f"{' '.join(command)}: exit code {process.returncode}")
    finally:
        process.terminate()
        process.wait()


@nox.session(venv_backend="venv", reuse_venv=True)
def tensorflow(session: nox.Session) -> None:
    """An environment of its own with TensorFlow, for the backend tf.data of input_pipeline."""
    session.install("--quiet", TENSORFLOW)
    python = Path(session.bin, "python")
    session.run(str(python), "-c", "import tensorflow", env={"TF_CPP_MIN_LOG_LEVEL": "3"})
    session.log(f"export SCALEMARK_TENSORFLOW_PYTHON={python.absolute()}")


@nox.session
def horovod(session: nox.Session) -> None:
    """Build Horovod over MPI and Gloo against the torch that is installed, in some four minutes, and install it."""
    for tool in ("g++", "cmake", "make"):
        if shutil.which(tool) is None:
            session.error(f"the horovod session needs {tool}: Horovod has no wheels, it is compiled here")
    install(session)
    pip(session, "cffi", "cloudpickle", "packaging", "psutil", "pyyaml", "setuptools", "wheel")
    built_with = dict.fromkeys(["PYTORCH", "MPI", "GLOO"], "WITH") | dict.fromkeys(["TENSORFLOW", "MXNET"], "WITHOUT")
    session.env.update({f"HOROVOD_{word}_{name}": "1" for name, word in built_with.items()})
    session.env.update(
        MPI_HOME=sys.prefix, CXX=str(ROOT / "containers" / "cxx17"), MAKEFLAGS=f"-j{len(os.sched_getaffinity(0))}"
    )
    pip(session, "--no-cache-dir", "--no-build-isolation", "--no-deps", "horovod")


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
