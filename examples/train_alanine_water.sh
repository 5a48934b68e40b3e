#!/usr/bin/env bash
# Alanine dipeptide in water from nothing: MD in TIP3P, a network that begins with what implicit solvent taught it, a student that
# draws in two evaluations, evaluation. Every command goes on where it was interrupted: run the script again after a kill.
# The MD takes most of the time: about one nanosecond in 15 minutes on a core.
#
#     examples/train_alanine_water.sh IMPLICIT_RUN [FOLDER]
#
# IMPLICIT_RUN is the folder `run` of examples/train_alanine.sh.
set -euo pipefail
implicit=$1
folder=${2:-alanine-dipeptide-tip3p}
structure=$(python -c 'import openmm_scoredyn as sd; print(sd.pretrained("alanine-dipeptide-obc2").with_name("alanine-dipeptide.pdb"))')
export OMP_NUM_THREADS=1
mkdir -p "$folder"

scoredyn simulate "$structure" --out "$folder/steered" --solvent tip3p --steered --length 500ps --segments 5 --trajectories 4 --seed 1 --processes 2
scoredyn simulate "$structure" --out "$folder/paths" --solvent tip3p --shooting --segments 200 --trajectories 30 --seed 2 --processes 2
scoredyn simulate "$structure" --out "$folder/paths_psi" --solvent tip3p --shooting --along psi --segments 100 --trajectories 15 --seed 5 --processes 2
scoredyn simulate "$structure" --out "$folder/free" --solvent tip3p --length 5ns --trajectories 6 --seed 3 --processes 2
scoredyn simulate "$structure" --out "$folder/reference" --solvent tip3p --length 5ns --trajectories 5 --seed 4 --processes 2

data=("$folder/steered" "$folder/paths" "$folder/paths_psi" "$folder/free")
scoredyn train "${data[@]}" --out "$folder/teacher" --start-from "$implicit" --name alanine-dipeptide-tip3p \
    --updates 5000 --learning-rate 3e-4
scoredyn train "${data[@]}" --out "$folder/student" --start-from "$folder/teacher" --name alanine-dipeptide-tip3p \
    --distil-to 2 --updates 4000 --batch-size 512 --learning-rate 5e-4
scoredyn export "$folder/student" "$folder/model.pt"

[ -e "$folder/sampled/model.npz" ] || {
    mkdir -p "$folder/sampled"
    scoredyn run "$folder/model.pt" "$structure" --length 22ns --replicas 64 --out "$folder/sampled/model.npz"
}
scoredyn compare "$folder/reference" "$folder/sampled" --equilibration 2ns --temperature 300 --out "$folder/comparison"
scoredyn export "$folder/student" "$folder/model.pt" --accuracy "$folder/comparison/comparison.json"
