"""Tables of benches/README.md that are written by the measurement itself."""

import pathlib

PAGE = pathlib.Path(__file__).resolve().parents[2] / "benches/README.md"


def parts(name):
    """The page before the table, the table, and the page behind it."""
    before, begin, rest = PAGE.read_text().partition(f"<!-- {name} -->\n")
    table, end, after = rest.partition(f"<!-- /{name} -->\n")
    if not begin or not end:
        raise RuntimeError(f"{PAGE} has no place for {name}")
    return before + begin, table, end + after


def write(name, lines):
    before, _, after = parts(name)
    PAGE.write_text(before + "\n".join(lines) + "\n" + after)


def is_current(name, lines):
    return parts(name)[1] == "\n".join(lines) + "\n"
