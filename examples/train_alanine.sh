#!/usr/bin/env bash
# The shipped model of alanine dipeptide from scratch: reference MD, training, export, evaluation.
# Every command goes on where it was interrupted: run the script again after a kill. The reference MD takes most of the
# time: 500 ns at some 80 ps/s a core, and 200 ns of reference. (The model that is shipped saw 124 ns of free MD and 90,000
# paths, shot in three portions with the bias 1.0, 1.2 and 1.5 times as strong as would flatten phi; paths along psi were made
# afterwards and learnt in two further runs with --start-from, 5,000 and 2,000 updates at a learning rate of 3e-4.)
#
#     examples/train_alanine.sh [--short] [FOLDER]
#
# --short shows within some ten minutes that every command works; its model is good for nothing else.
set -euo pipefail
# 4,000 short segments released anywhere on the (phi, psi) torus, so that barriers and rare basins are learnt;
# long free trajectories for everything else; others that are never trained on, to measure against.
steered=(--length 25ps --segments 200 --trajectories 20)
# Paths of 1 ps over the barriers of phi, weighted, for the hops that MD shows once in 100 ns.
paths=(--segments 5000 --trajectories 20 --equilibration 100ps)
# And over those of psi, from which the rate between beta and alpha_R is learnt.
paths_psi=(--segments 1000 --trajectories 20 --equilibration 100ps)
free=(--length 20ns --trajectories 13)
reference=(--length 20ns --trajectories 10)
train=()
# 64 replicas in one batch, of which the first 3 ns forget the start.
sampled=(--length 11ns --replicas 64)
skipped=3ns
if [ "${1:-}" = --short ]; then
    shift
    steered=(--length 5ps --segments 20 --trajectories 2)
    paths=(--segments 100 --trajectories 2 --equilibration 10ps)
    paths_psi=(--segments 100 --trajectories 2 --equilibration 10ps)
    free=(--length 500ps --trajectories 2 --equilibration 10ps)
    reference=(--length 1ns --trajectories 2 --equilibration 10ps)
    train=(--updates 100)
    sampled=(--length 200ps --replicas 64)
    skipped=50ps
fi
folder=${1:-alanine-dipeptide}
structure=$(python -c 'import openmm_scoredyn as sd; print(sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb"))')
export OMP_NUM_THREADS=1
mkdir -p "$folder"

scoredyn simulate "$structure" --out "$folder/steered" --steered "${steered[@]}" --seed 1 --processes 2
scoredyn simulate "$structure" --out "$folder/paths" --shooting "${paths[@]}" --seed 4 --processes 2
scoredyn simulate "$structure" --out "$folder/paths_psi" --shooting --along psi "${paths_psi[@]}" --seed 5 --processes 2
scoredyn simulate "$structure" --out "$folder/free" "${free[@]}" --seed 2 --processes 2
scoredyn simulate "$structure" --out "$folder/reference" "${reference[@]}" --seed 3 --processes 2

scoredyn train "$folder/steered" "$folder/paths" "$folder/paths_psi" "$folder/free" --set gates=true --out "$folder/run" --name alanine-dipeptide-obc2 "${train[@]}"
scoredyn export "$folder/run" "$folder/model.pt" --denoising-steps 5

# Against the reference; then the figures go into the card.
mkdir -p "$folder/sampled"
scoredyn run "$folder/model.pt" "$structure" "${sampled[@]}" --out "$folder/sampled/model.frames"
scoredyn compare "$folder/reference" "$folder/sampled" --equilibration "$skipped" --temperature 300 --out "$folder/comparison"
# What is kept of the reference: dihedrals of every frame, and statistics of the positions.
scoredyn reference "$folder/reference" --out "$folder/alanine-dipeptide-obc2-reference"
scoredyn export "$folder/run" "$folder/model.pt" --denoising-steps 5 --accuracy "$folder/comparison/comparison.json"
