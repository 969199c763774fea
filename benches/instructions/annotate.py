"""What callgrind_annotate says, summed so that it can be read."""

import collections
import re
import subprocess

LINE = re.compile(r"^ *([0-9,]+) +\([ 0-9.]+%\) +(.*?)(?: \[[^\]]*\])?$")
SHOWN = 60


def lines(dump, inclusive):
    words = ["callgrind_annotate", "--threshold=100", "--auto=no", f"--inclusive={'yes' if inclusive else 'no'}", dump]
    for line in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines():
        if found := LINE.match(line):
            place, _, function = found[2].partition(":")
            yield int(found[1].replace(",", "")), place, re.sub(r"'\d+$", "", function)


def source(place):
    """The crate of a file, or what it is of ours."""
    for pattern in (r"/registry/src/[^/]+/([^/]+?)-\d[^/]*/", r"/library/(\w+)/src", r"/(src/.*)\.rs$", r"/(malloc|string)/"):
        if found := re.search(pattern, place):
            return found[1]
    return place


def report(dump, count):
    """Instructions each time: by source as it was inlined, by function with what was inlined into it, and with callees."""
    own = list(lines(dump, False))
    # The frames that were open when counting began have the whole in them.
    total = own[0][0]
    own = [line for line in own if line[0] < total]
    by_source, by_function, within = collections.Counter(), collections.Counter(), {}
    for spent, place, function in own:
        by_source[source(place)] += spent
        by_function[function] += spent
    for spent, _, function in lines(dump, True):
        if "moonrelay" in function or "reqwest" in function or "hyper" in function:
            within[function] = max(within.get(function, 0), min(spent, total))
    yield f"{total // count:,} instructions each time, of {count}"
    for title, spent in (("by source", by_source), ("by function", by_function), ("with what it calls", within)):
        yield f"\n{title}"
        for name, instructions in sorted(spent.items(), key=lambda each: -each[1])[:SHOWN]:
            yield f"{instructions // count:>12,} {instructions / total:6.1%}  {name[:150]}"
