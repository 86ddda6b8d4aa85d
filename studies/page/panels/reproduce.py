"""The command that makes the folder again, and the versions that made it."""

import instances
from studies.page.parts import command
from studies.page.parts.folder import ResultsFolder
from studies.page.parts.html import facts, table, text


def draw(results: ResultsFolder) -> str:
    """The command with every option that the folder records, and the versions."""
    name = str(results.about["case"])
    note = (
        ""
        if name in instances.list_cases()
        else f"<p>{text(name)} is no shipped case: put the path of its folder in its place.</p>"
    )
    rows = [[text(package), text(version)] for package, version in results.data["versions"].items()]
    machine = results.data.get("machine")
    more = facts([("machine", f"{machine['platform']}, {machine['cores']} cores")]) if machine else ""
    versions = table(("package", "version"), rows, "Versions of the software that made the results", ())
    said = f"<pre><code>{text(command.line(results))}</code></pre>"
    return f"<p>The same results, by every option that the folder records:</p>{said}{note}{versions}{more}"
