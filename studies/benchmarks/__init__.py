"""Benchmarks: what to run (`Spec`, `SETS`), runs in processes of their own into a store that can be resumed, and reports from it.

    from formulations import benchmarks

    benchmarks.run(benchmarks.SETS["quick"].specs(), Path("results/quick.csv"))
    report = benchmarks.Report.read(Path("results/quick.csv"))
    report.write(Path("results/quick"))

Phases, sizes and how times are compared: docs/benchmarks.md.
"""

from studies.benchmarks.campaign import Tally, run
from studies.benchmarks.measure import measure
from studies.benchmarks.process import isolated
from studies.benchmarks.reading.fits import PowerLaw, power_law
from studies.benchmarks.reading.profiles import fraction_solved, performance_ratios
from studies.benchmarks.reading.report import Report
from studies.benchmarks.sets import SETS, BenchmarkSet
from studies.benchmarks.spec import Spec

__all__ = [
    "SETS",
    "BenchmarkSet",
    "PowerLaw",
    "Report",
    "Spec",
    "Tally",
    "fraction_solved",
    "isolated",
    "measure",
    "performance_ratios",
    "power_law",
    "run",
]
