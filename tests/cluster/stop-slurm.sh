#!/bin/bash
# End every job and every daemon that start-slurm.sh started, and wait until they are gone. Packages and logs stay.
# usage: stop-slurm.sh
set -euo pipefail
source "$(dirname "$0")/common.sh"
require_debian_root

# end NAME PIDFILE...: ask all, wait for all, and in the end insist
end() {
    local file name=$1 pid pids=
    shift
    # read before anything is asked: a daemon takes its file along
    for file in "$@"; do
        ! runs "$name" "$file" || pids="$pids $(cat "$file")"
    done
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    for pid in $pids; do
        for _ in $(seq 100); do
            alive "$pid" || break
            sleep 0.1
        done
        if alive "$pid"; then
            echo "$0: process $pid ($(cat "/proc/$pid/comm" 2>/dev/null)) did not end when asked: killed" >&2
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done
    rm -f "$@"
}

jobs_left() { timeout 10 squeue -h -o %A 2>/dev/null; }

if runs slurmctld /run/slurm/slurmctld.pid && [ -n "$(jobs_left)" ]; then
    jobs_left | xargs timeout 20 scancel || true
    for _ in $(seq 100); do
        [ -n "$(jobs_left)" ] || break
        sleep 0.1
    done
fi
end slurmd /run/slurm/slurmd.*.pid
end slurmctld /run/slurm/slurmctld.pid
# in the order in which they need each other
end slurmdbd /run/slurm/slurmdbd.pid
end mariadbd /run/mysqld/mysqld.pid
end munged /run/munge/munged.pid
