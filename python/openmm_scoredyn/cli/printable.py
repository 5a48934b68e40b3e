"""Text of files on a terminal."""


def printable(text: str) -> str:
    """The text with what a terminal would obey (escapes, line breaks, change of direction) written out."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
