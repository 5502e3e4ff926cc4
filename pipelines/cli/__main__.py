"""``python -m tocsin``, as the wheel places this file there too, and ``python -m pipelines.cli``."""

from pipelines.cli import main

if __name__ == "__main__":
    main()
