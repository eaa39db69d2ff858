/** A line over steps, or over time. The last figure stands beside the name, for those who read and for
 *  those who listen. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import "../style/chart.css";
import { useEffect, useRef } from "preact/hooks";
import { figure, language } from "../i18n/i18n";
import { theme } from "../state/theme";

interface Props {
  title: string;
  x: number[];
  y: (number | null)[];
  time?: boolean;
  unit?: string;
}

const height = 150;
const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Times of a day, or days where the axis spans several. */
function clock(_: uPlot, all: number[]): string[] {
  const days = (all.at(-1) ?? 0) - (all[0] ?? 0) > 86_400;
  return all.map((seconds) => {
    const at = new Date(seconds * 1000);
    return days ? at.toLocaleDateString(language.value) : at.toLocaleTimeString(language.value);
  });
}

function make(box: HTMLElement, time: boolean): uPlot {
  const axis = {
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  const options: uPlot.Options = {
    width: Math.max(box.clientWidth, 120),
    height,
    legend: { show: false },
    padding: [8, 10, 0, 0],
    cursor: { y: false },
    scales: { x: { time } },
    axes: [{ ...axis, size: 26, ...(time ? { values: clock, space: 90 } : {}) }, { ...axis, size: 54, values: (_, all) => all.map(figure) }],
    series: [{}, {
      stroke: colour("--accent"), width: 1.8, spanGaps: true, points: { size: 4 },
    }],
  };
  return new uPlot(options, [[], []], box);
}

export function Chart({ title, x, y, time = false, unit = "" }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shade = theme.value;
  useEffect(() => {
    if (!box.current) return;
    const made = make(box.current, time);
    plot.current = made;
    const watch = new ResizeObserver(([entry]) => {
      if (entry) made.setSize({ width: Math.max(entry.contentRect.width, 120), height });
    });
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [shade, time]);
  useEffect(() => plot.current?.setData([x, y]), [x, y, shade]);
  const last = y.findLast((value) => value !== null);
  return (
    <figure class="chart" data-points={y.filter((value) => value !== null).length}>
      <figcaption>
        <span>{title}</span>
        <strong>{figure(last)}{unit && last !== undefined ? ` ${unit}` : ""}</strong>
      </figcaption>
      <div ref={box} aria-hidden="true" />
    </figure>
  );
}
