"""The panels of the page, in their order.  A new one is a module with `draw(results) -> str`, and a line here.

`draw` gives the body of the panel as HTML, empty where the command of the folder has nothing of the kind, and raises
`MissingPieceError` where a file that belongs there is not.
"""

from collections.abc import Callable

from studies.page.panels import certificate, comparison, feeder, front, reproduce, scenarios, schedule, summary, traces
from studies.page.parts.folder import ResultsFolder

PANELS: dict[str, tuple[str, Callable[[ResultsFolder], str]]] = {
    "summary": ("Summary", summary.draw),
    "certificate": ("Certificate", certificate.draw),
    "front": ("Pareto front", front.draw),
    "scenarios": ("Days that may come", scenarios.draw),
    "schedule": ("Prices and charging", schedule.draw),
    "comparison": ("Comparison", comparison.draw),
    "feeder": ("Feeder", feeder.draw),
    "traces": ("Convergence", traces.draw),
    "reproduce": ("Versions and command", reproduce.draw),
}
