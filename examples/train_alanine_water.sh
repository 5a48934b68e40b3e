#!/usr/bin/env bash
# Alanine dipeptide in water from scratch: MD in TIP3P, a network that begins with what implicit solvent taught it, a student that
# draws in two evaluations, evaluation. Every command goes on where it was interrupted: run the script again after a kill.
# The MD takes most of the time: about one nanosecond in 15 minutes on a core. (The data that the shipped model was made
# from are packed in examples/data/alanine-dipeptide-tip3p; `scoredyn train` and `compare` take its folders as they are.)
#
#     examples/train_alanine_water.sh [--short] IMPLICIT_RUN [FOLDER]
#
# IMPLICIT_RUN is the folder `run` of examples/train_alanine.sh. --short shows within some ten minutes that every command works, with
# the box and the biases of the packed data; its model is good for nothing else.
set -euo pipefail
steered=(--length 500ps --segments 5 --trajectories 4)
paths=(--segments 200 --trajectories 30)
paths_psi=(--segments 100 --trajectories 15)
free=(--length 5ns --trajectories 6)
reference=(--length 5ns --trajectories 5)
teacher=(--updates 5000)
student=(--updates 4000 --batch-size 512)
sampled=(--length 22ns --replicas 64)
skipped=2ns
packed=()
if [ "${1:-}" = --short ]; then
    shift
    shipped=$(dirname "$0")/data/alanine-dipeptide-tip3p
    steered=(--length 10ps --segments 1 --trajectories 2 --equilibration 2ps --box "$shipped/box.npz")
    paths=(--segments 5 --trajectories 2 --equilibration 2ps --bias "$shipped/bias_phi.json")
    paths_psi=(--segments 5 --trajectories 2 --equilibration 2ps --bias "$shipped/bias_psi.json")
    free=(--length 30ps --trajectories 2 --equilibration 2ps)
    reference=(--length 60ps --trajectories 2 --equilibration 2ps)
    teacher=(--updates 100)
    student=(--updates 20 --batch-size 64)
    sampled=(--length 100ps --replicas 64)
    skipped=20ps
    packed=("$shipped/training") # ten paths may well show no hop to learn from
fi
implicit=$1
folder=${2:-alanine-dipeptide-tip3p}
structure=$(python -c 'import openmm_scoredyn as sd; print(sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb"))')
export OMP_NUM_THREADS=1
mkdir -p "$folder"

# The first sets the box at 1 bar, in which all others begin.
water=(--solvent tip3p --processes 2)
scoredyn simulate "$structure" --out "$folder/steered" "${water[@]}" --steered "${steered[@]}" --seed 1
water+=(--box "$folder/steered/box/box.npz")
scoredyn simulate "$structure" --out "$folder/paths" "${water[@]}" --shooting "${paths[@]}" --seed 2
scoredyn simulate "$structure" --out "$folder/paths_psi" "${water[@]}" --shooting --along psi "${paths_psi[@]}" --seed 5
scoredyn simulate "$structure" --out "$folder/free" "${water[@]}" "${free[@]}" --seed 3
scoredyn simulate "$structure" --out "$folder/reference" "${water[@]}" "${reference[@]}" --seed 4

data=("$folder/steered" "$folder/paths" "$folder/paths_psi" "$folder/free" "${packed[@]}")
scoredyn train "${data[@]}" --out "$folder/teacher" --start-from "$implicit" --name alanine-dipeptide-tip3p \
    "${teacher[@]}" --learning-rate 3e-4
scoredyn train "${data[@]}" --out "$folder/student" --start-from "$folder/teacher" --name alanine-dipeptide-tip3p \
    --distil-to 2 "${student[@]}" --learning-rate 5e-4
scoredyn export "$folder/student" "$folder/model.pt"

mkdir -p "$folder/sampled"
scoredyn run "$folder/model.pt" "$structure" "${sampled[@]}" --out "$folder/sampled/model.frames"
scoredyn compare "$folder/reference" "$folder/sampled" --equilibration "$skipped" --temperature 300 --out "$folder/comparison"
scoredyn export "$folder/student" "$folder/model.pt" --accuracy "$folder/comparison/comparison.json"
