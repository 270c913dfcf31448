"""`python -m l2h`: the same as the command `l2h`."""

from .cli.main import main

if __name__ == "__main__":
    main()
