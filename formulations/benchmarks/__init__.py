"""Benchmarks: what to run (`Spec`, `SETS`), runs in processes of their own into a store that can be resumed, and reports from it.

    from formulations import benchmarks

    benchmarks.run(benchmarks.SETS["quick"].specs(), Path("results/quick.csv"))
    report = benchmarks.Report.read(Path("results/quick.csv"))
    report.write(Path("results/quick"))

Phases, sizes and how times are compared: docs/benchmarks.md.
"""

from formulations.benchmarks.campaign import Tally, run
from formulations.benchmarks.fits import PowerLaw, power_law
from formulations.benchmarks.measure import measure
from formulations.benchmarks.process import isolated
from formulations.benchmarks.profiles import fraction_solved, performance_ratios
from formulations.benchmarks.report import Report
from formulations.benchmarks.sets import SETS, BenchmarkSet
from formulations.benchmarks.spec import Spec

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
