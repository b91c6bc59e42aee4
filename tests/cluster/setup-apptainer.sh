#!/bin/bash
# Put a real Apptainer on this Debian machine, in a folder of its own; does nothing where there is one already. Needs root.
# Debian's stable releases have no Apptainer: the package comes from unstable, with the C library it was built for, and
# the machine's own package sources and C library stay as they are.
# usage: setup-apptainer.sh [FOLDER=/opt/apptainer]
set -euo pipefail
source "$(dirname "$0")/common.sh"
folder=${1:-/opt/apptainer}

require_debian_root
install_missing ca-certificates e2fsprogs fuse-overlayfs fuse3 libseccomp2 libsqlite3-0 mmdebstrap patchelf \
    squashfs-tools squashfuse uidmap
# where the kernel's module makes it private, images could be mounted by root alone
[ ! -e /dev/fuse ] || chmod 666 /dev/fuse
# the user ids that --fakeroot hands out
for file in /etc/subuid /etc/subgid; do grep -qs '^root:' $file || echo root:1000000:65536 >> $file; done
if apptainer --version 2>/dev/null; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

download_packages() {
    local mirror suite
    mirror=$({ cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true; } |
        sed -nE 's/^(URIs:|deb( \[[^]]*\])?) *(https?:[^ ]+).*/\3/p' | head -n 1)
    mkdir -p "$work"/lists/partial "$work"/cache/archives/partial
    : > "$work/status"
    for suite in trixie sid; do
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
    done > "$work/sources.list"
    cat > "$work/apt.conf" <<EOF
Dir::Etc::sourcelist "$work/sources.list"; Dir::Etc::sourceparts "-";
Dir::State::Lists "$work/lists"; Dir::Cache "$work/cache"; Dir::State::status "$work/status";
Acquire::Languages "none"; APT::Sandbox::User "root";
EOF
    (cd "$work" && export APT_CONFIG="$work/apt.conf" && apt-get -qq update && apt-get -qq download apptainer/sid libc6/trixie)
}

unpack() {
    local library program
    library=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
    dpkg-deb -x "$work"/apptainer_*.deb "$work/apptainer"
    dpkg-deb -x "$work"/libc6_*.deb "$work/libc"
    rm -rf "$folder"
    mkdir -p "$folder/glibc"
    cp -a "$work"/apptainer/usr/. "$folder/"
    cp -a "$work"/apptainer/etc "$work"/apptainer/var "$folder/"
    cp -a "$work"/libc/usr/lib/"$library"/*.so* "$folder/glibc/"
    # Debian's starter lies one folder deeper than upstream's and looks for var, etc and bin under lib
    for program in var etc bin; do ln -s "../$program" "$folder/lib/$program"; done
    ln -s . "$folder/lib/lib"
    for program in "$folder/bin/apptainer" "$folder/lib/$library/apptainer/bin/starter"; do
        # RPATH and not RUNPATH: libraries loaded by libraries must be found too
        patchelf --set-interpreter "$folder"/glibc/ld-linux-*.so.* --force-rpath --set-rpath "$folder/glibc" "$program"
    done
    ln -sfn "$folder/bin/apptainer" /usr/local/bin/apptainer
    # the name by which clients such as spython know it
    ln -sfn "$folder/bin/apptainer" /usr/local/bin/singularity
}

# Root in a virtual machine or container may lack capabilities, and Apptainer fails when it asks for one of those.
declare_capabilities() {
    python3 - "$folder/etc/apptainer" <<'EOF'
import json, re, sys
from pathlib import Path

NAMES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT
SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()
folder = Path(sys.argv[1])
mask = int(re.search(r"CapPrm:\s*(\w+)", Path("/proc/self/status").read_text())[1], 16)
held = [f"CAP_{name}" for bit, name in enumerate(NAMES) if mask >> bit & 1]
if len(held) < len(NAMES):
    (folder / "capability.json").write_text(json.dumps({"users": {"root": held}}))
    path = folder / "apptainer.conf"
    path.write_text(re.sub(r"(?m)^root default capabilities = .*$", "root default capabilities = file", path.read_text()))
EOF
}

download_packages
unpack
declare_capabilities
apptainer --version
