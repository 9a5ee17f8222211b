"""`python -m ngatu` is `ngatu`."""

from ngatu.cli import main

if __name__ == "__main__":
    main()
