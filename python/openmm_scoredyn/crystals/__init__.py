"""Score-based denoising of crystals: training on ideal lattices, programs, snapshots, reporters."""
