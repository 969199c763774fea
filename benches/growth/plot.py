"""A line plot as SVG; it has its own background, so that it can be read on any page."""

import math

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BASE = 76, 620, 52, 250
COLOURS = ["#2563eb", "#dc2626", "#15803d"]


def short(value):
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


class Axis:
    """Values to places."""

    def __init__(self, values, begin, end, is_log):
        self.begin, self.end, self.is_log = begin, end, is_log
        low, high = min(values), max(values)
        if is_log:
            # Lines stay off the frame.
            self.low, self.high = math.log10(low) - 0.1, math.log10(high) + 0.1
        else:
            self.low, self.high = 0, high * 1.08
        if is_log and self.high - self.low < 1.2:
            self.low = math.floor(self.low + 0.1)
            self.high = max(self.high, self.low + 1.2)

    def at(self, value):
        value = math.log10(value) if self.is_log else value
        return self.begin + (value - self.low) / ((self.high - self.low) or 1) * (self.end - self.begin)

    def ticks(self):
        if self.is_log:
            return [10.0**power for power in range(math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9) + 1)]
        step = 10 ** math.floor(math.log10(self.high))
        step = next(step / part for part in (1, 2, 5, 10) if self.high / (step / part) >= 4)
        return [step * number for number in range(int(self.high / step) + 1)]


def plot(title, across, up, lines, is_log=True):
    """`lines`: (name, [(x, y), …]), the first thing drawn is the one that matters."""
    xs = [x for _, points in lines for x, _ in points]
    ys = [y for _, points in lines for _, y in points]
    horizontal, vertical = Axis(xs, LEFT, RIGHT, is_log), Axis(ys, BASE, TOP, is_log)
    text = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="13" font-weight="bold" fill="#111">{title}</text>',
    ]
    for tick in vertical.ticks():
        y = vertical.at(tick)
        text.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#ddd"/>')
        text.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#333">{short(tick)}</text>')
    for tick in horizontal.ticks():
        x = horizontal.at(tick)
        text.append(f'<path d="M{x:.1f} {BASE}v4" stroke="#888"/>')
        text.append(f'<text x="{x:.1f}" y="{BASE + 17}" text-anchor="middle" fill="#333">{short(tick)}</text>')
    text.append(f'<path d="M{LEFT} {TOP}V{BASE}H{RIGHT}" fill="none" stroke="#888"/>')
    text.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BASE + 38}" text-anchor="middle" fill="#333">{across}</text>')
    middle = (TOP + BASE) / 2
    text.append(f'<text x="16" y="{middle}" text-anchor="middle" fill="#333" transform="rotate(-90 16 {middle})">{up}</text>')
    legend = LEFT
    for number, (name, points) in enumerate(lines):
        colour = COLOURS[number]
        places = [(horizontal.at(x), vertical.at(y)) for x, y in points]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        text.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        text += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
        text.append(f'<text x="{legend}" y="38" fill="{colour}">{name}</text>')
        # Of the width of a letter only this much is known.
        legend += 7 * len(name) + 10
    return "\n".join([*text, "</svg>", ""])


def exponent(points):
    """Of the upper end: 1 is linear, under it is better."""
    (x0, y0), (x1, y1) = points[-3 if len(points) > 3 else 0], points[-1]
    return math.log(y1 / y0) / math.log(x1 / x0)
