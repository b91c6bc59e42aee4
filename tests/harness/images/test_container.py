"""What ranks in an image are started with; `test_images.py` really starts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.case import Scale
from harness.images import container
from harness.store.record import Stack

STACK = Stack(name="nothing.sif", sha256="0" * 64, path="/images/nothing.sif")
TWO = Scale(ranks_per_node=2)


@pytest.fixture(autouse=True)
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apptainer is on PATH and knows ``--sharens``, whether or not it is here."""
    monkeypatch.setattr(container, "find_apptainer", lambda: "apptainer")
    monkeypatch.setattr(container, "shares_namespaces", lambda apptainer: True)
    monkeypatch.setenv("SCALEMARK_DATA", str(tmp_path / "data"))


def command(scale: Scale, results: Path) -> list[str]:
    return container.rank_command(STACK, scale, results / "launches" / "s" / "1", ("/scratch",))


def test_folders_are_shown_whatever_they_are_called(tmp_path: Path) -> None:
    results = tmp_path / 'a:b, "c"'
    told = command(Scale(), results)
    quoted = str(results).replace('"', '""')
    assert f'--mount=type=bind,"source={quoted}","destination={quoted}"' in told
    assert "--mount=type=bind,source=/scratch,destination=/scratch" in told
    assert f"--pwd={results}" in told


def test_a_checkout_is_bound_over_the_images_code_and_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALEMARK_CHECKOUT", str(tmp_path))
    assert f"--mount=type=bind,source={tmp_path},destination=/opt/scalemark,ro" in command(Scale(), tmp_path)


def test_one_rank_has_no_network_and_several_share_what_they_copy_messages_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--network=none" in command(Scale(), tmp_path)
    assert "--sharens" not in command(Scale(nodes=2), tmp_path)
    two = command(TWO, tmp_path)
    assert "--sharens" in two
    assert "--network=none" not in two
    monkeypatch.setattr(container, "shares_namespaces", lambda apptainer: False)
    old = command(TWO, tmp_path)
    assert "--sharens" not in old
    assert {"--env=MPIR_CVAR_CH4_CMA_ENABLE=0", '--env="UCX_TLS=tcp,self"'} <= set(old)


@pytest.mark.parametrize(
    ("device", "options"), [("nvidiactl", ["--nv"]), ("kfd", ["--rocm"]), ("null", [])], ids=["nvidia", "amd", "none"]
)
def test_the_gpus_of_the_node_are_shown(tmp_path: Path, device: str, options: list[str]) -> None:
    (tmp_path / device).touch()
    assert container.gpu_options(tmp_path) == options


def test_ranks_see_what_is_meant_for_them_and_nothing_else_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    meant = ("SLURM_JOB_ID", "PMI_RANK", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES",
             "HSA_ENABLE_SDMA", "HOROVOD_CYCLE_TIME", "KMP_AFFINITY", "TORCHINDUCTOR_CACHE_DIR")  # fmt: skip
    foreign = ("PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "HIP_PATH", "CUDA_HOME", "VIRTUAL_ENV", "OWN_SETTING")
    for name in (*meant, *foreign):
        monkeypatch.setenv(name, "1")
    seen = container.environment()
    assert set(meant) <= set(seen)
    assert not set(foreign) & set(seen)
    assert container.environment(["OWN_SETTING"])["OWN_SETTING"] == "1"
