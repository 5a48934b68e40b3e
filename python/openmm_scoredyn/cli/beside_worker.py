"""The command in a process that a worker of a cluster starts, and that ends with the worker.

python -m openmm_scoredyn.cli.beside_worker fit ...      # its standard input a pipe of the worker
"""

import os
import threading


def end_with_the_worker() -> None:
    """End the process when its standard input ends: the worker is gone then, and its task is another's."""
    # Not by sys.stdin, whose lock this thread would still hold when the command ends: Python aborts then.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    from openmm_scoredyn.cli import main

    threading.Thread(target=end_with_the_worker, daemon=True).start()
    main()
