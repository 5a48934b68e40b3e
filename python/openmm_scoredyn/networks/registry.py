"""The registry of networks: packages of `openmm_scoredyn.networks`, and entry points of other distributions.

A network is a package with an `ARCHITECTURE`. Its name is that of the package here, or of the entry point in
the group `openmm_scoredyn.networks` of another distribution.
"""

import pkgutil
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from typing import Any, get_type_hints

from openmm_scoredyn import networks
from openmm_scoredyn.errors import TrainingError
from openmm_scoredyn.networks.protocol import Architecture

GROUP = "openmm_scoredyn.networks"


def network_names() -> tuple[str, ...]:
    """Names of all networks, sorted; nothing is imported for it."""
    return tuple(sorted({*_own(), *_of_others()}))


def architecture(name: str) -> Architecture:
    """The entry of a name.

    Raises
    ------
    TrainingError
        If there is none, or its package cannot be imported.
    """
    others = _of_others()
    if name not in _own() and name not in others:
        raise TrainingError(
            f"network: unknown name; expected one of {', '.join(network_names())}, found {name!r}; choose"
            " one, or install the package that brings it."
        )
    try:
        if name in _own():
            return import_module(f"{networks.__name__}.{name}").ARCHITECTURE
        return others[name].load()
    except (ImportError, AttributeError) as error:
        raise TrainingError(
            f"network: {name} cannot be loaded ({error}); expected a package with an ARCHITECTURE; install it"
            " again."
        ) from error


@dataclass(frozen=True)
class NetworkChoice:
    """A network by name, with its configuration: what stands in checkpoints, archives and models.

    Attributes
    ----------
    name : str
    config : the dataclass `Architecture.config` of that name
    """

    name: str
    config: Any

    @classmethod
    def of(cls, name: str, **values) -> "NetworkChoice":
        """The network of a name, with some values other than its defaults.

        Raises
        ------
        TrainingError
            If there is no such network, it has no such option, or a value is of another type.
        """
        config = architecture(name).config
        types = _options(config)
        for option, value in values.items():
            if option not in types:
                raise TrainingError(
                    f"network: {name} has no option {option!r}; expected one of {', '.join(types)}; correct"
                    " it."
                )
            kind = types[option]
            if type(value) is not kind:
                raise TrainingError(
                    f"network: option {option} of {name} has another type; expected {kind.__name__},"
                    f" found {value!r}; correct it."
                )
        return cls(name, config(**values))

    @classmethod
    def parse(cls, name: str, options: list[str]) -> "NetworkChoice":
        """As `of`, from options as they are typed, NAME=VALUE.

        Raises
        ------
        TrainingError
            As `of`.
        """
        types = _options(architecture(name).config)
        values = {}
        for text in options:
            option, equals, value = text.partition("=")
            values[option] = _parsed(value, types.get(option, str)) if equals else text
        return cls.of(name, **values)

    @property
    def architecture(self) -> Architecture:
        """Its entry of the registry."""
        return architecture(self.name)

    def to_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return {"name": self.name, "config": asdict(self.config)}

    @classmethod
    def from_dict(cls, values: dict) -> "NetworkChoice":
        """Inverse of `to_dict`.

        Raises
        ------
        TrainingError
            If it is no description of a network, or as `of`.
        """
        if not isinstance(values, dict) or not isinstance(values.get("config"), dict):
            raise TrainingError(
                f"network: expected a name and a config, found {values!r}; train or export it again."
            )
        return cls.of(str(values.get("name")), **values["config"])


def _own() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(networks.__path__) if module.ispkg}


def _of_others() -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}


def _options(config: type) -> dict[str, type]:
    """Options of a configuration and their types, which are classes, not names of some."""
    return get_type_hints(config)


def _parsed(text: str, kind: type):
    """A typed value of a dataclass field; what is no such value stays text, which `of` refuses."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text
