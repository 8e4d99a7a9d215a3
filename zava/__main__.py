"""The program zava, also as python -m zava: Ctrl-C during the imports ends it with one line, as it does later."""

import sys

from zava.process import spare_processor_time


def main() -> None:
    """Import the command line and run it."""
    spare_processor_time()
    try:
        from zava.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("zava: interrupted\n")
        sys.exit(130)  # as exit_codes.SIGNAL + SIGINT, which are not imported yet
    run()


if __name__ == "__main__":
    main()
