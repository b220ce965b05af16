# Sourced by the job files. The same command continues what it began, so a job that must leave its
# node asks its command to end, and puts itself back into the queue.
VASA=${VASA:-.venv/bin/vasa}

# run_and_requeue COMMAND...: the command as the job's step, a process a task.
#
# USR1 comes before the time limit (--signal=B:USR1@...), TERM when another job takes the node.
# TERM comes to a cancelled job too: then the queue no longer calls it running, and it stays so.
run_and_requeue() {
    local asked=0 interrupted=0 code step
    # Of an array the last task has the number of the whole: each is called by its place in it.
    local job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
    job=${job:-$SLURM_JOB_ID}
    trap 'asked=1; interrupted=1' USR1 TERM
    srun --kill-on-bad-exit=1 "$@" &
    step=$!
    while :; do
        wait "$step"
        code=$?
        [ "$interrupted" = 1 ] || break
        interrupted=0  # the wait, not the step, has ended; a step that is about to begin has no name
        until scancel --signal=TERM "$job.0" 2>/dev/null || ! kill -0 "$step" 2>/dev/null; do
            sleep 1
        done
    done
    [ "$asked" = 1 ] && [ "$code" != 0 ] || return "$code"
    [ "$(squeue --noheader --job "$job" --format %T)" = RUNNING ] || return "$code"
    echo "$(date +%T) job $job: back into the queue (exit code $code)"
    scontrol requeue "$job"
}
