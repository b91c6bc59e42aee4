from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness.case import CaseGroup, SweepFile, expand
from harness.measure.case_run import Unavailable, run_case


def test_code_of_another_version_is_refused_before_anything_is_measured() -> None:
    (item,) = expand(SweepFile(name="s", cases=(CaseGroup(kernel="nothing"),))).cases
    newer = msgspec.structs.replace(item.case, kernel_version=item.case.kernel_version + 1)
    nobody: Any = None
    with pytest.raises(Unavailable, match="nothing is of version 1 here, version 2 is asked for"):
        run_case(newer, "000", nobody, nobody, 0)
