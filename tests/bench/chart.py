"""A comparison's results as a Markdown table and as an SVG bar plot."""

from xml.sax.saxutils import escape

OURS, PEER, INK, FAINT = "#2f6f4f", "#b9bfc6", "#1f2328", "#6b7280"
WIDTH, LABELS, BARS, ROW, BAR = 860, 290, 400, 50, 15


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


def ratio(result):
    return f"{result['ratio']:.2f}×" if result["ratio"] else "–"


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
    machine, peer = document["machine"], document["peer"]
    other = f"llama.cpp ({peer['package']})" if "package" in peer else "no peer"
    return (f"{machine['cpu'] or 'unknown CPU'}, {machine['threads']} threads; {other}; "
            f"medians of {document['rounds']}, tokens/s")


def table(document):
    lines = [subject(document), "", f"Limits measured: {limits_line(document['machine'])}.", "",
             "| model | case | instructd | llama.cpp | ratio | share of the limit |",
             "|---|---|---:|---:|---:|---:|"]
    for r in document["results"]:
        lines.append(f"| {r['model']} ({r.get('dtype', '?')}) | {r['title']} | {rate(r['ours'])} | "
                     f"{rate(r['peer'])} | {ratio(r)} | {share(r)} |")
    if "missing" in document["peer"]:
        lines += ["", f"The peer is missing: {document['peer']['missing']}."]
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


def row(y, result):
    figures = [f for f in (result["ours"], result["peer"]) if f]
    longest = max((f["max"] for f in figures), default=1)
    return "\n".join([text(LABELS - 12, y + BAR + 6, label(result), anchor="end"),
                      bar(y, result["ours"], longest, OURS),
                      bar(y + BAR + 3, result["peer"], longest, PEER),
                      text(WIDTH - 16, y + BAR + 7, ratio(result), anchor="end", size=15,
                           weight="bold")])


def svg(document):
    """Each row has its own scale, so that bars compare the two sides, not the cases."""
    results, top = document["results"], 78
    height = top + ROW * len(results) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
             f'font-family="system-ui, sans-serif">',
             f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
             text(16, 26, "instructd and llama.cpp, tokens/s: longer is faster", size=16,
                  weight="bold"),
             text(16, 46, subject(document), FAINT, size=12),
             f'<rect x="{LABELS}" y="56" width="10" height="10" fill="{OURS}"/>',
             text(LABELS + 15, 65, "instructd", size=12),
             f'<rect x="{LABELS + 90}" y="56" width="10" height="10" fill="{PEER}"/>',
             text(LABELS + 105, 65, "llama.cpp (line: slowest to fastest round)", size=12)]
    parts += [row(top + ROW * i, r) for i, r in enumerate(results)]
    return "\n".join(parts) + "\n</svg>\n"
