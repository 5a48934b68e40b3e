"""Which peptides are simulated, and for what; chosen once by a seed, before any run, and written to
`sequences.json`.
"""

import json
from pathlib import Path

import numpy as np

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
# Beside those that PDB files of pH 7 have, with histidine protonated at N-epsilon; CYM is the thiolate.
PROTONATION_STATES = ("ASH", "CYM", "GLH", "HID", "HIP", "LYN")
SEED = 2026
FILE = Path(__file__).parent / "sequences.json"


def draw(seed: int = SEED) -> dict[str, list[str]]:
    """Lists of one-letter sequences by purpose, all disjoint.

    held_out: 20 dipeptides, every amino acid once in each place; tetrapeptides: 5, every amino acid once;
    validation: 10 dipeptides, every amino acid once; training: 80 dipeptides, every amino acid four times in
    each place; capped: ACE-X-NME of all 20, to train on. Also to train on, drawn when those were there:
    tripeptides, 20, every amino acid three times; capped_dipeptides, 10, every amino acid once; neither has a
    pair of held_out or validation in it, or is a part of a tetrapeptide. protonated: ACE-X-NME of the other
    protonation states.
    """
    rng = np.random.default_rng(seed)
    letters = np.array(list(AMINO_ACIDS))
    used: set[str] = set()

    def distinct(make) -> list[str]:
        """What `make` returns once it holds nothing that was drawn before, and nothing twice."""
        while True:
            found = make()
            if len(set(found)) == len(found) and not used & set(found):
                used.update(found)
                return sorted(found)

    def permuted(length: int) -> list[str]:
        """All amino acids once, in words of this length."""
        return ["".join(word) for word in rng.permutation(letters).reshape(-1, length)]

    def paired() -> list[str]:
        """20 dipeptides, every amino acid once in each place."""
        return [a + b for a, b in zip(letters, rng.permutation(letters))]

    lists = {"held_out": distinct(paired)}
    lists["tetrapeptides"] = distinct(lambda: permuted(4))
    lists["validation"] = distinct(lambda: permuted(2))
    lists["training"] = sorted(pair for _ in range(4) for pair in distinct(paired))
    lists["capped"] = list(AMINO_ACIDS)
    kept = lists["held_out"] + lists["validation"]

    def apart(make) -> list[str]:
        """As `distinct`, of words that share with those to judge by no more than single amino acids."""
        while True:
            found = distinct(make)
            parts = [word[k : k + 2] for word in found for k in range(len(word) - 1)]
            whole = (word in four for word in found if len(word) > 2 for four in lists["tetrapeptides"])
            if not set(parts) & set(kept) and not any(whole):
                return found
            used.difference_update(found)

    def tripled() -> list[str]:
        """20 tripeptides, every amino acid once in each place."""
        return [a + b + c for a, b, c in zip(letters, rng.permutation(letters), rng.permutation(letters))]

    lists["tripeptides"] = apart(tripled)
    lists["capped_dipeptides"] = apart(lambda: permuted(2))
    lists["protonated"] = list(PROTONATION_STATES)
    return lists


def sequences() -> dict[str, list[str]]:
    """The committed lists."""
    return json.loads(FILE.read_text())


if __name__ == "__main__":
    lines = (f'  "{purpose}": {json.dumps(names)}' for purpose, names in draw().items())
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
