from __future__ import annotations

from pathlib import Path

from harness.doctor import sites
from harness.launch.site import Site


def test_a_pmi_that_srun_does_not_know_is_an_error() -> None:
    (found,) = sites.examine_settings(Site(pmi="pmix"), ["none", "pmi2"])
    assert found.severity == "error"
    assert "pmix" in found.found


def test_a_site_of_mpiexec_does_not_care_what_srun_knows() -> None:
    (found,) = sites.examine_settings(Site(launcher="mpiexec", pmi="pmix"), [])
    assert found.severity == "ok"


def test_binds_that_are_not_here_are_a_warning(tmp_path: Path) -> None:
    (found,) = sites.examine_settings(Site(binds=(str(tmp_path), f"{tmp_path}/gone")), ["pmi2"])
    assert found.severity == "warning"
    assert found.found.endswith(f"{tmp_path}/gone")
