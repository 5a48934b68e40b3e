# Stages of a run whose time is limited: source it, set LIMIT_S (seconds in all) and OUT (folder of results).
#
#     stage NAME SECONDS COMMAND...
#
# runs the command for at most so many seconds, and no longer than what is left of LIMIT_S; prints its output as it
# comes, into $OUT/NAME.txt, too; adds a line to $OUT/stages.txt, and goes on whatever happened. `stages_passed` then
# says whether all of them did. The command may be a function.
STAGES_FAILED=0

stage() {
    local name=$1 limit=$2 left=$((LIMIT_S - SECONDS)) began=$SECONDS status=0
    shift 2
    if ((left < 5)); then
        end_stage "$name" "left out: $LIMIT_S s are over" 0
        return 0
    fi
    if ((limit > left)); then limit=$left; fi
    echo "== $name, at most $limit s"
    if [[ $(type -t "$1") == function ]]; then
        set -- bash -c "$(declare -f "$1"); set -euo pipefail; $1"
    fi
    timeout --kill-after=5 "$limit" "$@" > >(tee "$OUT/$name.txt") 2>&1 || status=$?
    case $status in
        0) end_stage "$name" passed $((SECONDS - began)) ;;
        124 | 137) end_stage "$name" "not done within $limit s" $((SECONDS - began)) ;;
        *) end_stage "$name" "failed with status $status" $((SECONDS - began)) ;;
    esac
}

end_stage() {
    echo "== $1: $2 ($3 s)" | tee -a "$OUT/stages.txt"
    if [[ $2 != passed ]]; then STAGES_FAILED=1; fi
}

stages_passed() { ((STAGES_FAILED == 0)); }
