"""The imports of the house as a graph: what tests hold, and `scripts/house.py` prints and draws."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import networkx as nx

LAYERS = {
    "instances": (),
    "bilevel": (),
    "formulations": ("bilevel", "instances"),
    "studies": ("formulations", "bilevel", "instances"),
}
"""Each package, and those below it."""

ROOMS = {
    "instances": ("records", "files", "grid", "fleet", "scenarios", "formats"),
    "bilevel": (
        "reading", "interrupts", "program", "journals", "compile", "compile.cones", "solvers", "solvers.scaling", "relax",
        "followers", "bounds", "reformulate", "reformulate.modes", "reformulate.tightenings", "certify.proof", "certify.ties",
        "certify", "search", "search.branching", "search.points", "search.steps", "search.diagnose", "search.proving",
        "interchange", "integer", "integer.priced", "pessimistic", "equilibrium", "front", "heuristics",
    ),
    "formulations": (
        "objectives", "power_flow", "operator", "followers", "aggregators", "tariffs", "scenarios", "prices", "carbon",
    ),
    "studies": (
        "writing", "results_files", "pricing", "security", "carbon", "market", "contest.problems", "contest", "uncertainty",
        "page.parts", "page.panels", "page", "benchmarks", "benchmarks.reading", "command_line.refusals", "command_line",
        "command_line.contests", "command_line.fronts", "command_line.scenarios",
    ),
}  # fmt: skip
"""The rooms of each package from the ground up; files at a package's top stand beside them all."""

FIGURES = ("files", "folders", "floors", "longest file", "longest function", "upward arrows", "circles")
MOST_FILES, MOST_LINES, MOST_OF_A_FUNCTION = 12, 300, 40


@dataclass(frozen=True)
class Arrow:
    """One import: the file that has it, its line, and the module that it names."""

    source: str
    target: str
    line: int


@dataclass(frozen=True)
class House:
    """Modules by dotted name: their files, texts, and the arrows between them."""

    files: dict[str, Path]
    texts: dict[str, str]
    arrows: tuple[Arrow, ...]

    def room(self, module: str) -> str:
        """The folder of a module, dotted."""
        return module if self.files[module].name == "__init__.py" else module.rpartition(".")[0]

    def upward(self) -> list[Arrow]:
        """Arrows that point up, between packages or between rooms of one."""
        return [arrow for arrow in self.arrows if self._up(arrow)]

    def _up(self, arrow: Arrow) -> bool:
        package, other = (name.partition(".")[0] for name in (arrow.source, arrow.target))
        if package != other:
            return other not in LAYERS[package]
        here, there = (self.room(name).partition(".")[2] for name in (arrow.source, arrow.target))
        order = ROOMS[package]
        if _nested(here, there) or here not in order or there not in order:
            return False
        return order.index(there) > order.index(here)

    def circles(self) -> list[list[str]]:
        """Modules that import each other in a circle, and rooms that do; between a room and one within it files decide."""
        modules = nx.DiGraph((arrow.source, arrow.target) for arrow in self.arrows if arrow.source != arrow.target)
        pairs = {(self.room(arrow.source), self.room(arrow.target)) for arrow in self.arrows}
        rooms = nx.DiGraph(pair for pair in pairs if not _nested(*pair))
        found = [*nx.strongly_connected_components(modules), *nx.strongly_connected_components(rooms)]
        return [sorted(names) for names in found if len(names) > 1]

    def faults(self) -> Iterator[str]:
        """One sentence for each broken rule."""
        for arrow in self.upward():
            yield f"{self.files[arrow.source]}:{arrow.line} imports {arrow.target}, which stands above it"
        for circle in self.circles():
            yield f"a circle: {', '.join(circle)}"
        folders: dict[Path, int] = {}
        for name, path in self.files.items():
            folders[path.parent] = folders.get(path.parent, 0) + (path.name not in ("__init__.py", "__main__.py"))
            lines = len(self.texts[name].splitlines())
            if lines > MOST_LINES:
                yield f"{path} has {lines} lines, allowed {MOST_LINES}"
            for function, length in _functions(self.texts[name]):
                if length > MOST_OF_A_FUNCTION:
                    yield f"{path}: {function} has {length} lines beside its docstring, allowed {MOST_OF_A_FUNCTION}"
        for folder, count in folders.items():
            if count > MOST_FILES:
                yield f"{folder} has {count} files, allowed {MOST_FILES}"

    def figures(self, package: str) -> dict[str, int]:
        """What `FIGURES` names, of one package; empty where there is no such package."""
        own = {name: path for name, path in self.files.items() if name.partition(".")[0] == package}
        if not own:
            return {}
        texts = [self.texts[name] for name in own]
        longest = max(length for text in texts for _, length in _functions(text))
        values = (
            len(own), len({path.parent for path in own.values()}), self._floors(own),
            max(len(text.splitlines()) for text in texts), longest,
            sum(arrow.source in own for arrow in self.upward()),
            sum(circle[0].partition(".")[0] == package for circle in self.circles()),
        )  # fmt: skip
        return dict(zip(FIGURES, values, strict=True))

    def _floors(self, own: dict[str, Path]) -> int:
        """The longest chain of imports within a package, circles counted as one."""
        inner = nx.DiGraph((a.source, a.target) for a in self.arrows if a.source in own and a.target in own)
        return nx.dag_longest_path_length(nx.condensation(inner)) + 1 if inner else 1


def _functions(text: str) -> Iterator[tuple[str, int]]:
    """Every function of a file with its lines, those of its docstring aside: public ones say much, and are no longer to read."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first, said = node.body[0], ast.get_docstring(node) is not None
            yield node.name, _lines(node) - (_lines(first) if said else 0)


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _nested(here: str, there: str) -> bool:
    """Whether two rooms are one, or one is within the other."""
    return not (here and there) or f"{here}.".startswith(f"{there}.") or f"{there}.".startswith(f"{here}.")


def read(root: Path) -> House:
    """The packages under `root` and every import in them, those inside functions included."""
    files = {}
    for package in LAYERS:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    return House(files, texts, tuple(arrow for name in files for arrow in _arrows(name, texts[name], files)))


def _arrows(name: str, text: str, files: dict[str, Path]) -> Iterator[Arrow]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            named = [module if module in files else str(node.module) for module in inner]
        else:
            continue
        yield from (Arrow(name, module, node.lineno) for module in dict.fromkeys(named) if module in files)


def picture(house: House) -> str:
    """The packages as towers, a room a floor from the ground up, with how many files each has; an SVG."""
    width, height, gap, top = 210, 34, 16, 46
    towers = []
    tallest = max(len(rooms) for rooms in ROOMS.values())
    floor = top + tallest * height
    for at, (package, rooms) in enumerate(ROOMS.items()):
        x = gap + at * (width + gap)
        towers.append(f'<text x="{x + width / 2}" y="{floor + 22}" class="name">{package}/</text>')
        for level, room in enumerate(rooms):
            y = floor - (level + 1) * height
            inside = f"{package}.{room}"
            count = sum(house.room(name) == inside for name in house.files if name != inside)
            towers.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height - 4}" rx="4" class="{package}"/>')
            towers.append(f'<text x="{x + 10}" y="{y + 20}">{room.replace(".", "/")}</text>')
            towers.append(f'<text x="{x + width - 10}" y="{y + 20}" class="count">{count} files</text>')
    style = (
        "text{font:13px sans-serif;fill:#222}.name{font-weight:bold;font-size:15px;text-anchor:middle}"
        ".count{text-anchor:end;fill:#666}rect{stroke:#888}.instances{fill:#eef7f2}.bilevel{fill:#e8f1fa}"
        ".formulations{fill:#fdf3e7}.studies{fill:#f6eef6}"
    )
    total = len(ROOMS) * (width + gap) + gap
    head = "Every room uses rooms of its own tower below it; formulations use bilevel and instances, studies all three"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {floor + 40}" role="img">\n<style>{style}</style>\n'
        f'<text x="{gap}" y="24">{head}</text>\n' + "\n".join(towers) + "\n</svg>\n"
    )
