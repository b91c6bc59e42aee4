import configparser

import pytest

from harness.images import host_loan


@pytest.fixture
def lend(tmp_path, monkeypatch):
    """Lends what a host with these settings of pip's would."""

    def lend(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"PIP_{name}", str(value))
        loan = tmp_path / "loan"
        loan.mkdir()
        mounts = host_loan.lend(loan)
        parser = configparser.RawConfigParser()
        parser.read(loan / "pip.conf")
        return dict(parser["global"]), mounts, loan

    return lend


def test_local_wheels_are_bound_and_addresses_kept(lend, tmp_path):
    wheels = tmp_path / "local, wheels"
    wheels.mkdir()
    (tmp_path / "wheels").symlink_to(wheels)
    config, mounts, loan = lend(FIND_LINKS=f"{tmp_path / 'wheels'} https://example.org/wheels /not/there")
    assert config["find-links"] == "/mnt/wheels0 https://example.org/wheels"
    assert mounts == [
        f"--mount=type=bind,source={loan},destination=/mnt,ro",
        f'--mount=type=bind,"source={wheels}",destination=/mnt/wheels0,ro',
    ]


def test_indexes_on_this_disk_stay_here(lend):
    config, _, _ = lend(
        EXTRA_INDEX_URL="file:///srv/simple https://example.org/simple", INDEX_URL="https://example.org/x"
    )
    assert config["extra-index-url"] == "https://example.org/simple"
    assert config["index-url"] == "https://example.org/x"


def test_the_hosts_authorities_are_trusted_inside(lend, tmp_path):
    (tmp_path / "bundle.pem").write_text("a certificate")
    config, _, loan = lend(CERT=tmp_path / "bundle.pem")
    assert config["cert"] == "/mnt/ca.pem"
    assert (loan / "ca.pem").read_text() == "a certificate"
