#!/usr/bin/env bash
# A model of small peptides in implicit solvent, for lag times from 1 ps to 1 ns, from nothing: MD of 26 capped amino acids, 80
# dipeptides, 10 capped ones and 20 tripeptides, one network for all, a student that draws in four evaluations, and a run of a
# dipeptide that neither saw. Every command goes on where it was interrupted: run the script again after a kill. The data that the
# shipped model was made from are packed in examples/data/peptides-obc2, and are what is trained on unless --md makes more (some 500 ps
# a second on a core).
#
#     examples/train_peptides.sh [--short] [--md] [FOLDER]
#
# --short shows within some three minutes that every command works; its model is good for nothing.
set -euo pipefail
teacher=(--updates 25000 --batch-size 128 --molecules-per-update 2 --learning-rate 1e-3 --matrix-learning-rate 4e-3)
student=(--updates 1600 --batch-size 128 --learning-rate 4e-4)
sampled=(--lag 100ps --length 30ns --replicas 32)
here=$(cd "$(dirname "$0")" && pwd)
data=("$here"/data/peptides-obc2/{capped,training,protonated,capped_dipeptides,tripeptides}/*/)
md= drawn_from=
while [[ "${1:-}" == --* ]]; do
    case $1 in
    --short)
        teacher=(--updates 100 --batch-size 32 --molecules-per-update 2 --learning-rate 1e-3 --matrix-learning-rate 4e-3)
        student=(--updates 20 --batch-size 16 --learning-rate 5e-4)
        sampled=(--lag 100ps --length 1ns --replicas 4)
        drawn_from=peptides-obc2 # the shipped one: of what this one draws, the guard lets nothing pass
        data=("$here"/data/peptides-obc2/training/{IA,VS}/)
        ;;
    --md) md=yes ;;
    *)
        echo "train_peptides.sh: unknown option $1; expected --short or --md" >&2
        exit 2
        ;;
    esac
    shift
done
folder=${1:-peptides-obc2}
export OMP_NUM_THREADS=1
mkdir -p "$folder"

if [ -n "$md" ]; then
    python "$here/peptides/make_md.py" "$folder/md"
    python "$here/peptides/make_md.py" "$folder/md" --pack
fi
scoredyn train "${data[@]}" --out "$folder/teacher" --name peptides-obc2 --split time --lag 1ps:1ns \
    --network zmatrix_transformer --set width=96 --set blocks=6 --set root=first --set read_force_field=false --set mirror_images=false \
    "${teacher[@]}"
scoredyn train "${data[@]}" --out "$folder/student" --name peptides-obc2 --split time --lag 1ps:1ns \
    --start-from "$folder/teacher" --distil-to 4 "${student[@]}"
[ -e "$folder/peptides.scoredyn" ] || scoredyn export "$folder/student" "$folder/peptides.scoredyn" --lag 100ps

scoredyn build ILE-SER -o "$folder/ile-ser.pdb"
scoredyn run "${drawn_from:-$folder/peptides.scoredyn}" "$folder/ile-ser.pdb" "${sampled[@]}" --out "$folder/ile-ser.frames"
