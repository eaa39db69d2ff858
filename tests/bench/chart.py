"""A comparison's results as a Markdown table and as an SVG bar plot."""

from xml.sax.saxutils import escape

OURS, INK, FAINT = "#2f6f4f", "#1f2328", "#6b7280"
THEIRS = ("#b9bfc6", "#d8c9a3", "#c9b3c4")
WIDTH, LABELS, BARS, BAR, GAP = 860, 290, 400, 15, 3


def rate(figure):
    if not figure:
        return "–"
    value = figure["median"]
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def share(result):
    """The nearer of the two limits, in words."""
    found = [(result[key], name) for key, name in
             (("share_of_memory", "memory"),
              ("share_of_compute", result.get("compute_limit"))) if key in result]
    if not found:
        return "–"
    value, name = max(found)
    return f"{100 * value:.0f}% of {name}"


def ratio(result, name):
    return f"{result['ratios'][name]:.2f}×" if name in result["ratios"] else "–"


def ratio_to_best(result):
    return f"{min(result['ratios'].values()):.2f}×" if result["ratios"] else "–"


def present(document):
    """The names of the peers that took part."""
    return [name for name, peer in document["peers"].items() if "package" in peer]


def label(result):
    """A file like Model.Q4_1.gguf is told by its last part, another one by its weights' type."""
    parts = result["model"].removesuffix(".gguf").split(".")
    kind = parts[-1].lower() if len(parts) > 1 else result.get("dtype", "?")
    return f"{kind}: {result['title']}"


def limits_line(machine):
    limits = machine["limits"]
    parts = [f"memory {limits['used']['memory']:.1f} GB/s"]
    for name in ("fp32", "int8", "bf16"):
        if limits.get(name):
            parts.append(f"{name} {limits['used'][name]:,.0f} Gop/s ({limits[name]['with']})")
    return ", ".join(parts)


def subject(document):
    machine = document["machine"]
    others = [document["peers"][name]["package"] for name in present(document)]
    return (f"{machine['cpu'] or 'unknown CPU'}, {machine['threads']} threads; "
            f"{', '.join(others) or 'no peer'}; medians of {document['rounds']}, tokens/s")


def table(document):
    names = present(document)
    heads = ["model", "case", "instructd", *names, *(f"to {name}" for name in names),
             "share of the limit"]
    lines = [subject(document), "", f"Limits measured: {limits_line(document['machine'])}.", "",
             f"| {' | '.join(heads)} |", "|---|---|" + "---:|" * (len(heads) - 2)]
    for r in document["results"]:
        cells = [f"{r['model']} ({r.get('dtype', '?')})", r["title"], rate(r["ours"]),
                 *(rate(r["peers"][name]) for name in names),
                 *(ratio(r, name) for name in names), share(r)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [f"\n{name} is missing: {peer['missing']}." for name, peer in document["peers"].items()
              if "missing" in peer]
    return "\n".join(lines) + "\n"


def text(x, y, words, fill=INK, anchor="start", size=13, weight="normal"):
    return (f'<text x="{x}" y="{y}" fill="{fill}" text-anchor="{anchor}" font-size="{size}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def bar(y, figure, longest, fill):
    if not figure:
        return text(LABELS, y + BAR - 3, "–", FAINT)
    width = max(1, BARS * figure["median"] / longest)
    low, high = (LABELS + BARS * figure[end] / longest for end in ("min", "max"))
    middle = y + BAR / 2
    return (f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{fill}"/>'
            f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="{INK}"/>'
            + text(max(LABELS + width, high) + 6, y + BAR - 3, rate(figure), INK, size=12))


def row(y, result, names):
    figures = [(result["ours"], OURS)]
    figures += [(result["peers"][name], fill) for name, fill in zip(names, THEIRS)]
    longest = max((f["max"] for f, _ in figures if f), default=1)
    middle = y + (len(figures) * (BAR + GAP) - GAP) // 2 + 5
    bars = [bar(y + (BAR + GAP) * i, figure, longest, fill)
            for i, (figure, fill) in enumerate(figures)]
    return "\n".join([text(LABELS - 12, middle, label(result), anchor="end"), *bars,
                      text(WIDTH - 16, middle, ratio_to_best(result), anchor="end", size=15,
                           weight="bold")])


def legend(names):
    parts, x = [], LABELS
    for name, fill in zip(["instructd", *names], (OURS, *THEIRS)):
        parts += [f'<rect x="{x}" y="56" width="10" height="10" fill="{fill}"/>',
                  text(x + 15, 65, name, size=12)]
        x += 30 + 7 * len(name)
    return [*parts, text(x, 65, "(line: slowest to fastest round)", FAINT, size=12)]


def svg(document):
    """Each row has its own scale, so that bars compare the sides, not the cases. The number at a
    row's end is to the faster peer."""
    results, names, top = document["results"], present(document), 78
    step = (BAR + GAP) * (1 + len(names)) + 14
    height = top + step * len(results) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
             f'font-family="system-ui, sans-serif">',
             f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
             text(16, 26, "Tokens/s: longer is faster; times the faster peer", size=16,
                  weight="bold"),
             text(16, 46, subject(document), FAINT, size=12), *legend(names)]
    parts += [row(top + step * i, r, names) for i, r in enumerate(results)]
    return "\n".join(parts) + "\n</svg>\n"
