#!/bin/bash
# Make a minimal Debian with Python in FOLDER from this machine's own Debian mirror: what debian:bookworm-slim from an image
# registry is to mpi.def. Needs root and mmdebstrap.
# usage: debian.sh FOLDER
set -euo pipefail
folder=$1

mirror=$({ cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true; } |
    sed -nE 's/^(URIs:|deb( \[[^]]*\])?) *(https?:[^ ]+).*/\3/p' | head -n 1)
if [ -z "$mirror" ] || [ "$(id -u)" != 0 ] || ! command -v mmdebstrap >/dev/null; then
    echo "debian.sh: needs root, mmdebstrap and a Debian machine's package sources; build from a registry instead" >&2
    exit 2
fi
# in a mount namespace of its own: killed, it would leave this machine's /dev and /proc mounted in the folder, for whoever
# clears the folder away to empty
unshare --mount mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --include=python3,python3-venv,ca-certificates \
    bookworm "$folder" "$mirror"
# `apptainer build --fakeroot` may not make device nodes
find "$folder/dev" -xdev -mindepth 1 -delete
