#!/usr/bin/env bash
# A model of any acyclic alkane in water from nothing: MD of nine alkanes with GROMACS, one network for all, a student that draws in
# two evaluations, and a run of decane, which neither saw. Every command goes on where it was interrupted: run the script again after a
# kill. The data that the shipped model was made from are packed in examples/data/alkanes-tip3p, and are what is trained on unless --md
# makes more (some 700 ns a day on a core). The shipped model went on from the version before it by as many updates, in two
# parts; from nothing they were not run to the end.
#
#     examples/train_alkanes.sh [--short] [--md] [FOLDER]
#
# --short shows within some five minutes that every command works; its model is good for nothing else.
set -euo pipefail
teacher=(--updates 15000 --batch-size 256 --molecules-per-update 4 --learning-rate 1e-3 --matrix-learning-rate 4e-3)
student=(--updates 2500 --batch-size 128 --molecules-per-update 2 --learning-rate 5e-4 --matrix-learning-rate 2e-3)
sampled=(--length 1ns --replicas 64)
molecules=(ethane propane pentane hexane heptane isobutane neopentane methylhexane dimethylpentane)
md=
while [[ "${1:-}" == --* ]]; do
    case $1 in
    --short)
        teacher=(--updates 200 --batch-size 64 --molecules-per-update 2 --learning-rate 1e-3 --matrix-learning-rate 4e-3)
        student=(--updates 20 --batch-size 32 --learning-rate 5e-4)
        sampled=(--length 20ps --replicas 16)
        molecules=(propane pentane)
        ;;
    --md) md=yes ;;
    *)
        echo "train_alkanes.sh: unknown option $1; expected --short or --md" >&2
        exit 2
        ;;
    esac
    shift
done
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-alkanes-tip3p}
export OMP_NUM_THREADS=1
mkdir -p "$folder"

if [ -n "$md" ]; then
    python "$here/alkanes/make_md.py" "$folder/md"
    python "$here/alkanes/make_md.py" "$folder/md" --pack
fi
data=("${molecules[@]/#/$here/data/alkanes-tip3p/training/}")
scoredyn train "${data[@]}" --out "$folder/teacher" --name alkanes-tip3p --split time --lag 1ps:100ps \
    --network zmatrix_transformer --set width=96 --set read_force_field=false "${teacher[@]}"
scoredyn train "${data[@]}" --out "$folder/student" --name alkanes-tip3p --split time --lag 1ps:100ps \
    --start-from "$folder/teacher" --distil-to 2 "${student[@]}"
[ -e "$folder/alkanes.scoredyn" ] || scoredyn export "$folder/student" "$folder/alkanes.scoredyn"

scoredyn build --smiles CCCCCCCCCC -o "$folder/decane.pdb"
scoredyn run "$folder/alkanes.scoredyn" "$folder/decane.pdb" "${sampled[@]}" --out "$folder/decane.frames"
