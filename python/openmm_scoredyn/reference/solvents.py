"""Solvents of the reference simulation by name, and the files of a force field that make them."""

from openmm_scoredyn.errors import SamplingError

PROTEIN = "amber99sbildn.xml"
VACUUM = "vacuum"
# Files of OpenMM that hold a solvent; the first is the one to take where no other is asked for. Of water,
# which means a periodic box, the name is the one that OpenMM's Modeller has for it.
WATER = {"tip3p": ("tip3p.xml",)}
IMPLICIT = {
    "implicit (OBC)": ("amber99_obc.xml", "amber96_obc.xml", "amber03_obc.xml", "amber10_obc.xml"),
    **{
        f"implicit ({name})": (f"implicit/{name.lower()}.xml",)
        for name in ("HCT", "OBC1", "OBC2", "GBn", "GBn2")
    },
}
_FILES = WATER | IMPLICIT
# How any other description begins: for the record, as the force field alone decides what it is.
_DESCRIBED = ("implicit", VACUUM)
# Of a System that comes with its water, whatever its model.
EXPLICIT = "water"


def spelled(solvent: str) -> str:
    """The name of a solvent as it is spelled here, whatever the case of its letters; other descriptions as
    they are.

    Raises
    ------
    SamplingError
        If it neither is a known name nor begins with implicit or vacuum.
    """
    for name in (*_FILES, *_DESCRIBED):
        if solvent.lower() == name.lower():
            return name
    if solvent.lower().startswith((*_DESCRIBED, EXPLICIT)):
        return solvent
    raise SamplingError(
        f"simulate: unknown solvent; expected {', '.join(WATER)}, {_DESCRIBED[0]} or {_DESCRIBED[1]}, found"
        f" {solvent!r}; choose one of these."
    )


def force_field_for(solvent: str) -> tuple[str, ...]:
    """Files for a protein in a solvent; a plain "implicit" is OBC.

    Raises
    ------
    SamplingError
        If the solvent is not known by name.
    """
    name = spelled(solvent)
    if name == VACUUM:
        return (PROTEIN,)
    if name == "implicit":
        name = "implicit (OBC)"
    if name not in _FILES:
        raise SamplingError(
            "simulate: the name of the solvent does not say which files make it; expected"
            f" {', '.join(_FILES)} or {VACUUM}, found {solvent!r}; choose one of these, or give --force-field"
            " with all files."
        )
    return (PROTEIN, _FILES[name][0])


def require_solvent_in(force_field: tuple[str, ...], solvent: str) -> None:
    """Raise `SamplingError` if files are known to make another solvent than `solvent`, a name as `spelled`
    gives it.

    Any file may hold water, and OpenMM itself refuses a box of it that none does.
    """
    if solvent in IMPLICIT and not _holds(force_field, solvent):
        raise SamplingError(
            f"simulate: the force field does not make the solvent {solvent}; expected"
            f" {' or '.join(_FILES[solvent])} among its files, found {', '.join(force_field)}; add it with"
            " --force-field, or give the --solvent that these files make."
        )
    if solvent.startswith(EXPLICIT):
        raise SamplingError(
            f"simulate: {EXPLICIT} is the solvent of a System that comes with it; expected"
            f" {', '.join(WATER)}, which is put around the molecule, found {solvent!r}; give that, or"
            " --system."
        )
    for name in IMPLICIT:
        if _holds(force_field, name) and solvent not in (name, "implicit"):
            raise SamplingError(
                f"simulate: the force field makes another solvent; expected {name}, which is in"
                f" {', '.join(force_field)}, found {solvent}; give one --solvent and its files."
            )


def require_forces_of(solvent: str, system) -> None:
    """Raise `SamplingError` unless a System holds forces of an implicit solvent if, and only if, `solvent` is
    one.
    """
    found = forces_of(system)
    implicit = solvent.lower().startswith("implicit")
    if bool(found) != implicit:
        raise SamplingError(
            f"simulate: the System is not one of solvent {solvent!r}; expected {'a' if implicit else 'no'}"
            f" generalized Born or Kirkwood force, found {', '.join(found) or 'none'}; give the --solvent"
            " that the force field makes."
        )


def forces_of(system) -> list[str]:
    """Classes of the forces of a System that make an implicit solvent."""
    kinds = [type(force).__name__ for force in system.getForces()]
    return [kind for kind in kinds if "GB" in kind or "GeneralizedKirkwood" in kind]


def computes_obc2_slowly(system) -> bool:
    """Whether a CustomGBForce computes what GBSAOBCForce, compiled, computes, too: the model OBC2, known by
    the coefficients of its Born radii.
    """
    import openmm

    for force in system.getForces():
        if isinstance(force, openmm.CustomGBForce):
            values = [force.getComputedValueParameters(k)[1] for k in range(force.getNumComputedValues())]
            text = "".join(values).replace(" ", "")
            if "tanh(" in text and "0.8*" in text and "4.85*" in text:
                return True
    return False


def _holds(force_field: tuple[str, ...], solvent: str) -> bool:
    """Whether one of the files is known to make the solvent; in a folder of the user's it goes by the same
    name.
    """
    return any(
        file == known or str(file).endswith(f"/{known}") for file in force_field for known in _FILES[solvent]
    )
