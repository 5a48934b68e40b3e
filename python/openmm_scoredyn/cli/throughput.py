"""How fast physical time is made."""

import time

_SECONDS_PER_DAY = 86_400
_LEAST_SECONDS = 0.5  # what is found complete is reported at once, and was not made at that speed


class Throughput:
    """Physical time per wall time, from the first report on, so that it is right after a restart too."""

    def __init__(self):
        self._first = None
        self._rate = 0.0

    def update(self, done_ps: float) -> None:
        """Take note of how much is done."""
        now = time.monotonic()
        if self._first is None:
            self._first = (done_ps, now)
        elapsed = now - self._first[1]
        self._rate = (done_ps - self._first[0]) / elapsed if elapsed > _LEAST_SECONDS else 0.0

    def text(self) -> str:
        """As ", 1.2 ps/s (103 ns/day)"; empty while nothing is known."""
        if not self._rate:
            return ""
        digits = 0 if self._rate >= 10 else 2
        return f", {self._rate:,.{digits}f} ps/s ({self._rate * _SECONDS_PER_DAY / 1000:,.{digits}f} ns/day)"
