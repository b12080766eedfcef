"""Walk through all scenarios and compare with the table in docs/one-comment.md: `python -m test.proof`.

With `--write` the table is written anew.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

from test.proof.scenarios import ALL
from test.proof.table import BEGIN, DOCS, END, HEADER, kinds, line, table, timed


def main(arguments: list[str]) -> int:
    """Print what comes out; 1 where something is wrong, or not as the docs say."""
    text = DOCS.read_text(encoding="utf-8")
    known, rows, bad = table(text), {}, False
    # The long ones are the last ones, and begin first.
    with ProcessPoolExecutor(max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(timed, scenario) for scenario in reversed(ALL)]):
            scenario, row, seconds = done.result()
            rows[scenario.name] = row.cells
            remarks = [] if row.holds(scenario) else ["WRONG"]
            if row.unrestored:
                remarks.append(f"not restored: {kinds(row.unrestored)}")
            if "--write" not in arguments and known.get(row.name) != row.cells:
                remarks.append("not as in docs/one-comment.md")
            bad = bad or bool(remarks)
            print(*row.cells, f"{seconds:.1f} s", *remarks, sep="; ", flush=True)
    states = sum(int(cells[1].replace(",", "")) for cells in rows.values())
    print(f"{len(rows)} scenarios, {states:,} states")
    if "--write" in arguments:
        lines = [line(HEADER), line(("---", "---:", "---:", "---", "---", "---"))]
        lines += [line(rows[scenario.name]) for scenario in ALL]
        text = DOCS.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        DOCS.write_text(f"{before}{BEGIN}\n{''.join(lines)}{END}{after}", encoding="utf-8")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
