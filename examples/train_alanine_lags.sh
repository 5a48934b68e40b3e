#!/usr/bin/env bash
# A model of alanine dipeptide for every lag time from 1 ps to 1 ns, from scratch: reference MD of 16 copies side by side, a training, a
# student that draws in few evaluations, and a comparison. Every command goes on where it was interrupted: run the script again after a
# kill. An hour of a core. (Side by side needs AVX2.)
#
#     examples/train_alanine_lags.sh [--short] [FOLDER]
#
# --short shows within some minutes that every command works; its model is good for nothing else.
set -euo pipefail
# phi > 0, which MD enters once in 120 ns, is entered some eight times.
free=(--copies 16 --length 60ns --trajectories 1)
lags=1ps:1ns
teacher=(--updates 12000 --batch-size 1024 --matrix-learning-rate 4e-3 --precision bfloat16)
student=(--updates 6000 --batch-size 512 --learning-rate 5e-4)
sampled=(--length 20ns --replicas 256)
if [ "${1:-}" = --short ]; then
    shift
    free=(--copies 8 --length 60ps --trajectories 1 --equilibration 10ps)
    lags=1ps:20ps
    teacher=(--updates 60 --matrix-learning-rate 4e-3) student=(--updates 10 --batch-size 64)
    sampled=(--length 400ps --replicas 8)
fi
folder=${1:-alanine-dipeptide-lags}
structure=$(python -c 'import openmm_scoredyn as sd; print(sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb"))')
export OMP_NUM_THREADS=1
mkdir -p "$folder"

scoredyn simulate "$structure" --out "$folder/free" "${free[@]}" --seed 1103

train=("$folder/free" --lag "$lags" --split time --no-check)
scoredyn train "${train[@]}" "${teacher[@]}" --out "$folder/teacher"
scoredyn train "${train[@]}" "${student[@]}" --out "$folder/student" --start-from "$folder/teacher" --distil-to 4 \
    --name alanine-dipeptide-obc2-lags
scoredyn export "$folder/student" "$folder/model.pt"

# One step of 20 ps beside twenty of 1 ps, and MD: the same after the same time? (many_lags/report.py makes the whole table.)
mkdir -p "$folder/sampled"
for lag in 1ps 20ps; do
    scoredyn run "$folder/model.pt" "$structure" --lag $lag "${sampled[@]}" --out "$folder/sampled/$lag.frames"
done
scoredyn compare alanine-dipeptide-obc2 "$folder/sampled/1ps.frames" --equilibration 20ps --out "$folder/comparison" \
    --chapman-kolmogorov "$folder/sampled/20ps.frames" --interval 20ps
