"""The devices that a model of molecular dynamics runs on, by torch's names of them."""

from openmm_scoredyn.errors import ProgramError


def gpu_number(device) -> int:
    """Number of the GPU that is meant, -1 for the processor.

    Parameters
    ----------
    device : str or torch.device, "cpu", "cuda" for torch's current GPU, or "cuda:N"

    Raises
    ------
    ProgramError
        If it is another name, or torch finds no such GPU.
    """
    import torch

    try:
        place = torch.device(device)
    except (RuntimeError, TypeError):
        place = None
    if place is None or place.type not in ("cpu", "cuda"):
        raise ProgramError(
            f"ScoreModel: no device of that name; expected 'cpu', 'cuda' or 'cuda:N', found {device!r};"
            " correct it."
        )
    if place.type == "cpu":
        return -1
    gpus = torch.cuda.device_count()
    if (place.index or 0) >= gpus:
        raise ProgramError(
            f"ScoreModel: torch finds no device {str(device)!r}; expected a GPU that it finds, found {gpus}"
            f" of them with torch {torch.__version__}; use 'cpu', another number, or a torch that was built"
            " for the GPU."
        )
    return torch.cuda.current_device() if place.index is None else place.index
