from __future__ import annotations

import subprocess
import sys

import pytest

from kernels.api import InputError
from kernels.declaring import check_at_most, check_shares, cpu_only, growing, imported
from kernels.training.load_balancing import LoadBalancingParameters


def test_what_is_imported_only_when_asked_for_is_not_there_before() -> None:
    prepare = imported("kernels.nothing:no_such_name")
    with pytest.raises(AttributeError, match="no_such_name"):
        prepare(None, None, "cpu")


def test_listing_a_kernel_loads_none_of_its_peers() -> None:
    script = "from kernels import registry; import sys; registry.load('qcnn_layer'); print('pennylane' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_share_for_each_rank() -> None:
    grown = growing("batch")(LoadBalancingParameters(batch=3), 4)
    assert grown.batch == 12
    check_shares("load_balancing", "batch", grown, 12)
    with pytest.raises(InputError, match="kernel k: parameter batch: 12 cannot be divided over 13 ranks"):
        check_shares("k", "batch", grown, 13)


def test_a_part_is_no_larger_than_the_whole() -> None:
    check_at_most("k", "batch", "width", LoadBalancingParameters(batch=8, width=8))
    with pytest.raises(InputError, match="kernel k: parameter batch: found 9; right would be at most width=8"):
        check_at_most("k", "batch", "width", LoadBalancingParameters(batch=9, width=8))


def test_what_runs_on_the_cpu_alone_says_so_elsewhere() -> None:
    missing = cpu_only("counts with fingers")
    assert missing("cpu") is None
    assert missing("cuda") == "counts with fingers; ask for --device cpu"
