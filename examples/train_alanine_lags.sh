#!/usr/bin/env bash
# A model of alanine dipeptide for every lag time from 1 ps to 1 ns, from scratch: reference MD, two trainings, a student that
# draws in few evaluations, and a comparison. Every command goes on where it was interrupted: run the script again after a kill.
# The MD takes most of the time: 240 ns at some 80 ps/s a core.
#
#     examples/train_alanine_lags.sh [--short] [FOLDER]
#
# --short shows within some minutes that every command works; its model is good for nothing else.
set -euo pipefail
# Long free trajectories, which begin below; and segments of 2 ns that begin anywhere on the (phi, psi) torus, so that
# phi > 0, which MD enters once in 120 ns, is left often enough to learn from.
free=(--length 20ns --trajectories 8)
released=(--length 2ns --segments 10 --trajectories 4)
lags=1ps:1ns
first=(--updates 16000 --learning-rate 1.5e-3)
second=(--updates 7000 --learning-rate 8e-4)
student=(--updates 8000 --batch-size 512 --learning-rate 5e-4)
sampled=(--length 20ns --replicas 256)
if [ "${1:-}" = --short ]; then
    shift
    free=(--length 300ps --trajectories 2 --equilibration 10ps)
    released=(--length 60ps --segments 2 --trajectories 2)
    lags=1ps:20ps
    first=(--updates 60) second=(--updates 20) student=(--updates 10 --batch-size 64)
    sampled=(--length 400ps --replicas 8)
fi
folder=${1:-alanine-dipeptide-lags}
structure=$(python -c 'import openmm_scoredyn as sd; print(sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb"))')
export OMP_NUM_THREADS=1
mkdir -p "$folder"

scoredyn simulate "$structure" --out "$folder/free" "${free[@]}" --seed 1101 --processes 2
scoredyn simulate "$structure" --out "$folder/released" --steered "${released[@]}" --seed 1102 --processes 2

train=(--lag "$lags" --split time --no-check)
scoredyn train "$folder/free" "${train[@]}" "${first[@]}" --out "$folder/first"
scoredyn train "$folder/free" "$folder/released" "${train[@]}" "${second[@]}" --out "$folder/second" --start-from "$folder/first"
scoredyn train "$folder/free" "$folder/released" "${train[@]}" "${student[@]}" --out "$folder/student" \
    --start-from "$folder/second" --distil-to 4 --name alanine-dipeptide-obc2-lags
scoredyn export "$folder/student" "$folder/model.pt"

# One step of 20 ps beside twenty of 1 ps, and MD: the same after the same time? (many_lags/report.py makes the whole table.)
mkdir -p "$folder/sampled"
for lag in 1ps 20ps; do
    scoredyn run "$folder/model.pt" "$structure" --lag $lag "${sampled[@]}" --out "$folder/sampled/$lag.frames"
done
scoredyn compare alanine-dipeptide-obc2 "$folder/sampled/1ps.frames" --equilibration 20ps --out "$folder/comparison" \
    --chapman-kolmogorov "$folder/sampled/20ps.frames" --interval 20ps
