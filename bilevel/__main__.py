"""`python -m bilevel` is the command `bilevel`, by its entry point: the engine itself knows no command line."""

from importlib.metadata import entry_points

if __name__ == "__main__":
    (command,) = entry_points(group="console_scripts", name="bilevel")
    command.load()()
