"""Options that would have no effect are refused: whoever gives one expects it to."""

from openmm_scoredyn.errors import SamplingError


def refuse_without_effect(command: str, options: dict[str, object], why: str, advice: str) -> None:
    """Refuse a command if any of the options is given that has no effect there.

    Parameters
    ----------
    options : value by name, such as {"length": "10ns"}; None or an empty list where the option was not given
    why, advice : parts of the sentence

    Raises
    ------
    SamplingError
        If any was given.
    """
    values = {f"--{name}": value if isinstance(value, list) else [value] for name, value in options.items()}
    given = [f"{name} {value}" for name, several in values.items() for value in several if value is not None]
    if given:
        raise SamplingError(
            f"{command}: {why}; expected none of {', '.join(values)}, found {', '.join(given)}; {advice}."
        )
