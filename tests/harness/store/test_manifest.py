import pytest

from harness.store.manifest import read_manifest, write_manifest
from kernels.api import InputError


def test_newest_definition_wins_and_earlier_cases_stay(tmp_path, make_case, make_sweep):
    first, second = make_case(1), make_case(2)
    write_manifest(tmp_path, make_sweep([first, second], repeats=3))
    newer = make_case(2, kernel_version=2)
    written = write_manifest(tmp_path, make_sweep([newer], mode="weak", repeats=5))
    assert read_manifest(tmp_path, "trial") == written
    assert [item.case for item in written.cases] == [newer, first]
    assert (written.mode, written.repeats) == ("weak", 5)


def test_absent_or_damaged_manifest_is_named_and_kept(tmp_path, make_case, make_sweep):
    with pytest.raises(InputError, match=r"sweep\.json: not found"):
        read_manifest(tmp_path, "trial")
    write_manifest(tmp_path, make_sweep([make_case()]))
    path = tmp_path / "runs" / "trial" / "sweep.json"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"sweep\.json: found .*right would be a sweep's manifest"):
        write_manifest(tmp_path, make_sweep([make_case()]))
    assert len(path.read_bytes()) == 40
