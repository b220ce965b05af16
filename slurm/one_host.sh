#!/usr/bin/env bash
# A SLURM cluster on this one machine, to try job files on:
#   eval "$(slurm/one_host.sh up [NODES])"    # munge, slurmctld and a slurmd a node; then sbatch ...
#   slurm/one_host.sh down                    # cancels what is left, and takes them down
# Needs Debian's slurm-wlm and munge, neither systemd nor cgroups nor accounting; each node claims
# ONE_HOST_CPUS processors (4), be they there or not, and ONE_HOST_GPUS devices (0), pretended ones.
# ONE_HOST_URGENT=1 adds a partition `urgent`, whose jobs send those of `all` back into the queue.
# Everything lies in ONE_HOST_ROOT (a new folder, of which `down` knows by the line that `up`
# prints), ports begin at ONE_HOST_PORT (26810).
set -euo pipefail
case ${1:-} in
    up) root=${ONE_HOST_ROOT:-$(mktemp -d -t vasa-slurm.XXXXXX)/host} ;;
    down) root=${ONE_HOST_ROOT:?is not set: eval the line that one_host.sh up printed} ;;
    *)
        echo "usage: slurm/one_host.sh up [NODES] | down" >&2
        exit 2
        ;;
esac
port=${ONE_HOST_PORT:-26810}
cpus=${ONE_HOST_CPUS:-4}
gpus=${ONE_HOST_GPUS:-0}
urgent=${ONE_HOST_URGENT:-0}
PATH=$PATH:/usr/sbin
export SLURM_CONF=$root/slurm.conf

configure() {  # NODES
    local host memory index gres=""
    [ "$gpus" = 0 ] || gres=" Gres=gpu:$gpus"
    host=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
    cat <<CONF
ClusterName=onehost
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
# A requeued job may start again after cred_expire seconds; 120 if it is not said.
AuthInfo=socket=$root/munge.socket,cred_expire=5
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool-%n
SlurmctldPidFile=$root/slurmctld.pid
SlurmdPidFile=$root/slurmd-%n.pid
SlurmctldLogFile=$root/slurmctld.log
SlurmdLogFile=$root/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
ReturnToService=2
MessageTimeout=60
BatchStartTimeout=60
MinJobAge=86400
CONF
    if [ "$gpus" != 0 ]; then echo "GresTypes=gpu"; fi
    for index in $(seq "$1"); do
        echo "NodeName=one$index NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + index))" \
            "CPUs=$cpus RealMemory=$memory$gres"
    done
    if [ "$urgent" != 0 ]; then
        echo "PreemptType=preempt/partition_prio"
        echo "PreemptMode=REQUEUE"
        echo "PartitionName=urgent Nodes=ALL MaxTime=INFINITE PriorityTier=2 PreemptMode=OFF"
    fi
    echo "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1"
}

pretend_gpus() {  # NODES
    local device index
    : > "$root/gres.conf"
    [ "$gpus" != 0 ] || return 0
    for device in $(seq 0 $((gpus - 1))); do
        [ -e "$root/gpu$device" ] || mknod "$root/gpu$device" c 1 3
    done
    for index in $(seq "$1"); do
        echo "NodeName=one$index Name=gpu File=$root/gpu[0-$((gpus - 1))]" >> "$root/gres.conf"
    done
}

# Without accounting there is no sacct, by which submitit asks how its jobs are: the queue knows
# them too, finished ones for MinJobAge seconds.
stand_in_for_sacct() {
    mkdir -p "$root/bin"
    cat > "$root/bin/sacct" <<'SACCT'
#!/usr/bin/env bash
# sacct -o JobID,State,NodeList --parsable2 -j JOB ...
echo "JobID|State|NodeList"
while [ $# -gt 0 ]; do
    if [ "$1" = -j ]; then
        squeue --noheader --array --states=all --format='%i|%T|%N' --jobs="$2"
        shift
    fi
    shift
done
SACCT
    chmod +x "$root/bin/sacct"
}

is_ours() {  # PID_FILE: whether that process still runs the program of that name
    local name program
    [ -s "$1" ] || return 1
    name=$(basename "$1" .pid)
    program=$(readlink "/proc/$(cat "$1" 2>/dev/null)/exe") || return 1  # gone, or ended
    case ${program##*/} in "${name%%-*}"*) ;; *) return 1 ;; esac
}

up() {  # NODES
    local index name idle=0
    for name in munged slurmctld slurmd sbatch; do
        command -v "$name" > /dev/null && continue
        echo "one_host.sh: there is no $name; sudo apt-get install slurm-wlm munge" >&2
        exit 3
    done
    if is_ours "$root/slurmctld.pid"; then
        echo "one_host.sh: already up in $root; slurm/one_host.sh down" >&2
        exit 1
    fi
    if [ -e "$root" ] && ! grep -qs '^ClusterName=onehost$' "$root/slurm.conf"; then
        echo "one_host.sh: $root is there and no cluster of mine; ONE_HOST_ROOT=another" >&2
        exit 1
    fi
    rm -rf "$root"
    mkdir -p "$root/state"
    chmod 755 "$root"
    (umask 077 && head -c 1024 /dev/urandom > "$root/munge.key")
    configure "$1" > "$root/slurm.conf"
    pretend_gpus "$1"
    stand_in_for_sacct
    {
        munged --force --key-file="$root/munge.key" --socket="$root/munge.socket" \
            --pid-file="$root/munged.pid" --log-file="$root/munged.log" \
            --seed-file="$root/munge.seed"
        slurmctld -f "$root/slurm.conf"
        for index in $(seq "$1"); do
            mkdir -p "$root/spool-one$index"
            slurmd -f "$root/slurm.conf" -N "one$index"
        done
    } >&2
    for _ in $(seq 120); do
        idle=$(sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | sort -u | wc -l)
        [ "$idle" -lt "$1" ] || break
        sleep 0.5
    done
    if [ "$idle" -lt "$1" ]; then
        echo "one_host.sh: $idle of $1 nodes came up in a minute; see $root/*.log" >&2
        down
        exit 1
    fi
    # The nodes' names are known to SLURM alone, and processes meet on the first of them.
    echo "export ONE_HOST_ROOT=$root SLURM_CONF=$root/slurm.conf MASTER_ADDR=127.0.0.1" \
        "PATH=$root/bin:\$PATH"
}

down() {
    local file
    if is_ours "$root/slurmctld.pid"; then
        scancel --full --user="$(id -un)" 2>/dev/null || true
        for _ in $(seq 60); do
            [ -n "$(squeue --noheader 2>/dev/null)" ] || break
            sleep 0.5
        done
    fi
    for file in "$root"/slurmd-*.pid "$root/slurmctld.pid" "$root/munged.pid"; do
        is_ours "$file" || continue
        kill "$(cat "$file")" || true
        for _ in $(seq 60); do
            is_ours "$file" || break
            sleep 0.25
        done
        if is_ours "$file"; then kill -9 "$(cat "$file")" || true; fi
        rm -f "$file"
    done
}

case $1 in
    up) up "${2:-1}" ;;
    down) down ;;
esac
