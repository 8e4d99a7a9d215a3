"""python -m zava: the same as the command zava."""

from zava.main import main

main()
