#!/bin/bash
# One search by many tasks of a Slurm array. On the machine where you submit jobs:
#
#   export CELLWRIGHT_STORAGE=postgresql://user:password@host/database
#   mkdir -p logs
#   STUDY=wine sbatch examples/cluster/slurm.sh --space mlp --data wine --trials 500
#
# All that follows the script are options of `cellwright search`. Submit the same line again to go on.
#SBATCH --job-name=cellwright
#SBATCH --array=0-31
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=08:00:00
#SBATCH --output=logs/%A_%a.log
# Two minutes before its time is up, a task is told to save what there is.
#SBATCH --signal=B:TERM@120

set -euo pipefail
: "${CELLWRIGHT_STORAGE:?set it to the URL of a storage that all machines reach}"
: "${SLURM_ARRAY_TASK_ID:?start this by sbatch, which sets it}"
STUDY=${STUDY:-$SLURM_JOB_NAME}

export TZ=UTC # databases of Optuna keep local times
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}

# `exec`, so that the signal reaches the search and not this shell.
exec cellwright search --study "$STUDY" --out "${OUT:-runs/$STUDY}/$SLURM_ARRAY_TASK_ID" "$@"
