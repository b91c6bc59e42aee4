import sys
import tomllib
from pathlib import Path

import pytest

from kernels import registry
from kernels.api import InputError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_main_job_measures_every_kernel_but_the_calibration():
    sweeps = [tomllib.loads((BENCHMARKS / f"local_{mode}.toml").read_text()) for mode in ("strong", "weak")]
    measured = {group["kernel"] for sweep in sweeps for group in sweep["cases"]}
    assert measured == set(registry.names()) - {"calibrate"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n1 / 0\n", r"one.py:2: ZeroDivisionError: division by zero$"),
        ("KERNEL = (\n", r"one.py:1: SyntaxError: '\(' was never closed"),
        ("import one_that_nobody_has\n", r"one.py:1: ModuleNotFoundError: No module named 'one_that_nobody_has'$"),
        ("", r"AttributeError: module 'one' has no attribute 'KERNEL'$"),
        ("KERNEL = 1\n", r"found int; right would be a kernels.api.Kernel$"),
    ],
)
def test_a_kernel_of_ones_own_that_fails_is_told_in_a_line_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "one.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "one", raising=False)
    monkeypatch.setenv("SCALEMARK_KERNELS", "mine=one:KERNEL")
    with pytest.raises(InputError, match=message) as caught:
        registry.load("mine")
    assert str(caught.value).startswith("SCALEMARK_KERNELS: mine=one:KERNEL: ")
    sys.modules.pop("one", None)
