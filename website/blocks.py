"""Blocks of code in pages: what is executed of them, here and in the tests."""

import re

BLOCK = re.compile(
    r"(?P<skip>^ *<!-- not executed: [^\n]+ -->\n)?^ *```(?P<language>\w*)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
