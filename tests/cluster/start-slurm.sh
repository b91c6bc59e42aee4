#!/bin/bash
# Start a real Slurm of several pretend nodes, one slurmd each, on this Debian machine; what runs already is left running.
# Needs root; no systemd. The nodes share one kernel and its cores: they prove that things work, not how fast they are.
# usage: start-slurm.sh [NODES=4] [CPUS_PER_NODE=2]      ACCOUNTING=0 leaves the database and sacct out
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/common.sh"
nodes=${1:-4}
cpus=${2:-2}
accounting=${ACCOUNTING:-1}
configuration=/etc/slurm/slurm.conf
marker=$(head -n 1 "$here/slurm.conf.in")

require_debian_root
if [ -s $configuration ] && ! grep -qxF "$marker" $configuration; then
    echo "$0: this machine has a Slurm of its own ($configuration): a pretend one would replace it; use another machine" >&2
    exit 2
fi

write_configuration() {
    local memory i
    memory=$(awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
    sed "s/@HOST@/$(hostname -s)/" "$here/slurm.conf.in"
    if has_memory_cgroup; then
        echo TaskPlugin=task/cgroup
    else
        # Slurm then looks at what jobs use now and then, and ends with FAILED, not OUT_OF_MEMORY, what uses too much
        printf 'TaskPlugin=task/none\nJobAcctGatherParams=OverMemoryKill\n'
    fi
    if [ "$accounting" = 1 ]; then
        echo AccountingStorageType=accounting_storage/slurmdbd
        echo AccountingStorageHost=localhost
    fi
    for i in $(seq "$nodes"); do
        echo "NodeName=n$i NodeHostname=n$i NodeAddr=127.0.0.1 Port=$((17000 + i)) CPUs=$cpus RealMemory=$((memory / nodes)) State=UNKNOWN"
    done
    echo "PartitionName=debug Nodes=n[1-$nodes] Default=YES MaxTime=60 State=UP OverSubscribe=NO PriorityTier=2 PreemptMode=OFF"
    echo "PartitionName=spare Nodes=n[1-$nodes] MaxTime=60 State=UP OverSubscribe=NO PriorityTier=1 PreemptMode=REQUEUE GraceTime=0"
}

# The kernel's own memory limits, by which Slurm can tell that a job ran out of memory.
has_memory_cgroup() { [ -w /sys/fs/cgroup/memory/memory.limit_in_bytes ] || [ -w /sys/fs/cgroup/memory/tasks ]; }

write_cgroup_configuration() {
    local constrain=no
    ! has_memory_cgroup || constrain=yes
    printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=%s\n' $constrain
}

make_folders() {
    local i
    install -d -o munge -g munge -m 755 /run/munge
    install -d -o munge -g munge -m 700 /var/log/munge
    install -d -o slurm -g slurm /var/lib/slurm/slurmctld /var/log/slurm /run/slurm
    install -d -m 755 /var/spool/slurm
    for i in $(seq "$nodes"); do
        install -d -m 755 "/var/spool/slurm/n$i"
        install -d -m 1777 "/var/tmp/slurm-n$i"
        grep -qw "n$i" /etc/hosts || echo "127.0.0.1 n$i" >> /etc/hosts
    done
}

start_munge() {
    runs munged /run/munge/munged.pid || runuser -u munge -- /usr/sbin/munged
    wait_for 30 munge sh -c 'munge -n | unmunge'
}

start_database() {
    install -d -o mysql -g mysql /run/mysqld
    if ! runs mariadbd /run/mysqld/mysqld.pid; then
        setsid runuser -u mysql -- /usr/sbin/mariadbd --skip-networking --pid-file=/run/mysqld/mysqld.pid \
            </dev/null >/var/log/mariadbd.log 2>&1 &
    fi
    wait_for 30 MariaDB mariadb-admin ping
    # the socket admits only this machine, and the password guards nothing but a test's accounting
    mariadb -e "create database if not exists slurm_acct_db;
        create user if not exists slurm@localhost identified by 'slurm';
        grant all on slurm_acct_db.* to slurm@localhost"
    install -o slurm -g slurm -m 600 /dev/stdin /etc/slurm/slurmdbd.conf <<EOF
AuthType=auth/munge
DbdHost=localhost
SlurmUser=slurm
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
LogFile=/var/log/slurm/slurmdbd.log
PidFile=/run/slurm/slurmdbd.pid
EOF
    runs slurmdbd /run/slurm/slurmdbd.pid || runuser -u slurm -- /usr/sbin/slurmdbd
    wait_for 30 slurmdbd sacctmgr -n show cluster
    sacctmgr -n show cluster scalemark | grep -q scalemark || sacctmgr -i add cluster scalemark >/dev/null
}

start_slurm() {
    local i
    # the state of a cluster of another name would stop the controller
    if ! runs slurmctld /run/slurm/slurmctld.pid; then
        grep -qsx scalemark /var/lib/slurm/slurmctld/clustername || rm -rf /var/lib/slurm/slurmctld/*
        /usr/sbin/slurmctld
    fi
    for i in $(seq "$nodes"); do runs slurmd "/run/slurm/slurmd.n$i.pid" || /usr/sbin/slurmd -N "n$i"; done
    wait_for 60 "Slurm with $nodes nodes" all_nodes_up
}

all_nodes_up() {
    local node
    # taken out of service by an earlier test, or by Slurm when a job's processes would not end in time
    for node in $(sinfo -h -N -p debug -t drain -o %N); do scontrol update nodename="$node" state=resume; done
    [ "$(sinfo -h -N -p debug -r -t idle,alloc,mix,comp | wc -l)" = "$nodes" ]
}

install_missing munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins
[ "$accounting" = 0 ] || install_missing slurmdbd mariadb-server
make_folders
write_configuration > $configuration
write_cgroup_configuration > /etc/slurm/cgroup.conf
start_munge
[ "$accounting" = 0 ] || start_database
start_slurm
sinfo
