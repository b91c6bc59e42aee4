from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from kernels import compiling

KERNELS = Path(compiling.__file__).parent

CONSTANT = "NUMBER = {}\n"
CALLED = """
from kernels.compiling import numba
from kernels.part.constant import NUMBER

@numba.njit(cache=True)
def number():
    return NUMBER
"""
CALLER = """
import logging
from kernels.compiling import numba
from kernels.part.called import number

@numba.njit(cache=True)
def twice():
    return 2 * number()

logging.basicConfig(level="INFO", format="%(name)s: %(message)s")
print(twice(), sum(twice.stats.cache_hits.values()))
"""


def test_a_function_is_compiled_again_and_says_so_when_what_it_calls_or_a_constant_there_has_changed(
    tmp_path: Path,
) -> None:
    part = tmp_path / "kernels" / "part"
    part.mkdir(parents=True)
    shutil.copy(compiling.__file__, part.parent)
    for name, text in {"constant": CONSTANT.format(1), "called": CALLED, "caller": CALLER}.items():
        (part / f"{name}.py").write_text(text)

    def run() -> list[int]:
        command = [sys.executable, "-m", "kernels.part.caller"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
        assert done.stderr == ("" if done.stdout.endswith(" 1\n") else "kernels: compiling __main__, once\n")
        return [int(word) for word in done.stdout.split()]

    assert run() == [2, 0]
    assert run() == [2, 1]
    (part / "constant.py").write_text(CONSTANT.format(2))
    assert run() == [4, 0]


def test_the_sources_of_a_file_are_those_it_imports_and_no_others() -> None:
    found = compiling.sources(KERNELS / "quantum" / "loops" / "adjoint.py")
    names = {str(path.relative_to(KERNELS)) for path in found}
    assert {"quantum/loops/adjoint.py", "quantum/loops/sweep.py", "quantum/loops/lines.py"} <= names
    assert "material/lanes.py" not in names


def test_every_module_that_caches_takes_numba_from_there() -> None:
    for path in KERNELS.rglob("*.py"):
        source = path.read_text()
        if "cache=True" in source and path.name != "compiling.py":
            assert "\nfrom kernels.compiling import numba\n" in source, path
