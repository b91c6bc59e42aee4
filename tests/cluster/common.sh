# sourced by the scripts beside it

# Root on Debian, or one clear line and exit code 2.
require_debian_root() {
    if [ ! -e /etc/debian_version ] || ! command -v apt-get >/dev/null; then
        echo "$0: needs a Debian machine (found $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null || uname -s)): use a Debian virtual machine or container" >&2
        exit 2
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "$0: needs root (found $(id -un)): run it by sudo, on a machine that may be changed" >&2
        exit 2
    fi
}

# Names only what is missing: naming an installed package would upgrade it.
install_missing() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null 2>&1 ||
        { echo "$0: apt-get could not install ${missing[*]}; try it by hand to see why" >&2; exit 1; }
}

# alive PID: an ended process that nobody has collected is not
alive() { grep -Eqs "^State:[[:space:]]+[^ZX[:space:]]" "/proc/$1/status"; }

# runs NAME PIDFILE: a daemon that was killed leaves its file behind, and the kernel gives its number to another process
runs() { [ -s "$2" ] && alive "$(cat "$2")" && [ "$(cat "/proc/$(cat "$2")/comm" 2>/dev/null)" = "$1" ]; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds
wait_for() {
    local limit=$(($(date +%s) + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$limit" ] || { echo "$0: $what does not answer; see /var/log/slurm and /var/log/mariadbd.log" >&2; exit 1; }
        sleep 0.2
    done
}
