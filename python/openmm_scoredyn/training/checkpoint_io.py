"""How Lightning reads and writes the checkpoints of a run: whole files with sums, damaged ones refused."""

from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from openmm_scoredyn.program.archive import read_checkpoint, write_checkpoint


class SealedCheckpoints(TorchCheckpointIO):
    """Checkpoints as `openmm_scoredyn.program.archive.write_checkpoint` writes them."""

    def save_checkpoint(self, checkpoint, path, storage_options=None) -> None:
        """Write a checkpoint; whole or not at all."""
        write_checkpoint(checkpoint, path)

    def load_checkpoint(self, path, map_location="cpu", weights_only=None):
        """Read a checkpoint; a damaged one raises ProgramError."""
        return read_checkpoint(path, map_location or "cpu")
