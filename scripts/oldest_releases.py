"""Print the oldest release that pyproject.toml allows of every dependency, as constraints for pip; `make test-oldest` uses it."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def main() -> None:
    for text in tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]:
        required = Requirement(text)
        (lower,) = [limit.version for limit in required.specifier if limit.operator == ">="]
        print(f"{required.name}=={lower}")


if __name__ == "__main__":
    main()
