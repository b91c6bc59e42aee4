#!/bin/bash
# What optional tests need on a Debian machine, as root: Chromium for the report's page, SimGrid for projections, mbw as
# the referee of calibrations, DALI as a peer of the input pipeline.
# Links Debian's SimGrid module into the environment of the Python given, which must be of Debian's version.
# usage: setup-optional.sh PYTHON
set -euo pipefail
python=$1

missing=
for package in chromium python3-simgrid mbw; do
    dpkg-query -W -f='${db:Status-Status}' $package 2>/dev/null | grep -qx installed || missing="$missing $package"
done
if [ -n "$missing" ]; then
    apt-get -qq update
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends -o Dpkg::Use-Pty=0 $missing > /dev/null
fi

module=$(dpkg -L python3-simgrid | grep "/simgrid.*\.so$")
ln -sf "$module" "$("$python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')/"
"$python" -c 'import simgrid'

# runs on the CPU too
"$python" -m pip install --quiet --disable-pip-version-check --constraint "$(dirname "$0")/../constraints.txt" nvidia-dali-cuda130
