"""What the host lends to a build: how pip reaches its packages, and whom it trusts. Recipes need know nothing of it.

They look for it under ``/mnt``; it is bound there while an image is built and is never part of one.
"""

from __future__ import annotations

import ast
import configparser
import os
import ssl
import subprocess
import sys
from pathlib import Path

from harness.images.container import mount

_INSIDE = Path("/mnt")
_KEYS = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "timeout", "retries")


def lend(folder: Path) -> list[str]:
    """Write the loan's files into ``folder``; returns Apptainer's options. Without pip it is a CA bundle."""
    settings = _pip_settings()
    config = {key: settings[key] for key in _KEYS if key in settings}
    # of several, Apptainer 1.4 wants all to have as many options
    mounts = [mount(str(folder), str(_INSIDE), "ro")]
    if "extra-index-url" in config:
        config["extra-index-url"] = " ".join(url for url in config["extra-index-url"].split() if "file:" not in url)
    if "find-links" in config:
        config["find-links"], lent = _lend_links(config["find-links"].split(), folder)
        mounts += lent
    authorities = settings.get("cert") or os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if authorities and Path(authorities).is_file():
        (folder / "ca.pem").write_bytes(Path(authorities).read_bytes())
        config["cert"] = str(_INSIDE / "ca.pem")
    parser = configparser.RawConfigParser()
    parser["global"] = {key: value for key, value in config.items() if value}
    with (folder / "pip.conf").open("w") as stream:
        parser.write(stream)
    return mounts


def _lend_links(links: list[str], folder: Path) -> tuple[str, list[str]]:
    """Local folders of wheels are bound, each at a place of its own; addresses stay what they are."""
    inside: list[str] = []
    mounts: list[str] = []
    for link in links:
        local = Path(link.removeprefix("file://"))
        if local.is_dir():
            place = folder / f"wheels{len(mounts)}"
            place.mkdir()
            inside.append(str(_INSIDE / place.name))
            mounts.append(mount(str(local.resolve()), inside[-1], "ro"))
        elif "://" in link:
            inside.append(link)
    return " ".join(inside), mounts


def _pip_settings() -> dict[str, str]:
    """pip's configuration as pip itself reads it; what the environment says goes before what files say."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60)
    files: dict[str, str] = {}
    environment: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        target = environment if section == ":env:" else files
        target[key.removeprefix("default-")] = str(ast.literal_eval(value))
    return files | environment
