// Charts of the console: the mean as a line, smallest to largest as a band, the limit dashed, marks with their words.
import uPlot from "uplot";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawn = new Map();

// One limit, or those of two rule sets that are compared, each with its words.
const limitsOf = (chart) => chart.limits ?? (chart.limit === null ? [] : [{ value: chart.limit, kind: "after", text: "" }]);

function marks(chart) {
  return (plot) => {
    const { ctx, bbox } = plot;
    const pixel = window.devicePixelRatio || 1;
    ctx.save();
    ctx.font = `${11 * pixel}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.lineWidth = pixel;
    ctx.textAlign = "left"; // the axes leave theirs behind
    ctx.textBaseline = "alphabetic";
    if (chart.impact) {
      const from = Math.max(plot.valToPos(chart.impact[0], "x", true), bbox.left);
      const to = Math.min(plot.valToPos(chart.impact[1], "x", true), bbox.left + bbox.width);
      ctx.fillStyle = colour("--act-soft");
      if (to > from) ctx.fillRect(from, bbox.top, to - from, bbox.height);
    }
    for (const limit of limitsOf(chart)) {
      const y = plot.valToPos(limit.value, "y", true);
      ctx.strokeStyle = ctx.fillStyle = colour(limit.kind === "before" ? "--muted" : "--act");
      ctx.setLineDash([5 * pixel, 4 * pixel]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.setLineDash([]);
      if (limit.text) ctx.fillText(limit.text, bbox.left + 4 * pixel, y - 4 * pixel);
    }
    let right = -Infinity;
    let level = 0;
    for (const mark of [...chart.marks].sort((a, b) => a.at - b.at)) {
      const x = plot.valToPos(mark.at, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = ctx.fillStyle = colour(mark.kind === "impact" ? "--act" : mark.kind === "solved" ? "--ok" : "--muted");
      ctx.beginPath();
      const width = ctx.measureText(mark.text).width + 8 * pixel;
      const beside = Math.min(x - 2 * pixel, bbox.left + bbox.width - width + 8 * pixel); // the last word ends with the chart
      level = beside < right ? level + 1 : 0;
      ctx.moveTo(x, bbox.top - 4 * pixel);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      right = Math.max(right, beside + width);
      ctx.fillText(mark.text, beside, bbox.top - (5 + 13 * level) * pixel);
    }
    ctx.restore();
  };
}

function options(chart, box) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: `12px ${getComputedStyle(document.body).fontFamily}` };
  const format = new Intl.NumberFormat(chart.language, { maximumFractionDigits: 2 });
  const say = (value) => (value === null || value === undefined ? "–" : `${format.format(value)} ${chart.unit}`.trim());
  const time = new Intl.DateTimeFormat(chart.language, { timeZone: chart.zone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const hour = new Intl.DateTimeFormat(chart.language, { timeZone: chart.zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(chart.language, { timeZone: chart.zone, day: "numeric", month: "short" });
  // A tick at midnight names the day; the hours between name themselves.
  const tick = (at) => (/^00.00$/.test(hour.format(at * 1000)) ? day : hour).format(at * 1000);
  const band = colour("--accent");
  return {
    width: Math.max(240, box.clientWidth),
    height: 220,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), chart.zone),
    padding: [32, 12, 0, 0],
    scales: {
      x: { time: true, range: (plot, from, to) => (plot.zoomed ? [from, to] : [chart.start, chart.end]) },
      y: {
        range: (plot, low, high) => {
          if (low === null) return [0, 1];
          const limits = limitsOf(chart).map((limit) => limit.value);
          const [bottom, top] = [Math.min(low, ...limits), Math.max(high, ...limits)];
          const margin = (top - bottom) * 0.08 || Math.abs(top) * 0.1 || 1;
          return [bottom - margin, top + margin];
        },
      },
    },
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    axes: [
      { ...axis, size: 32, space: 70, values: (plot, ticks) => ticks.map(tick) },
      { ...axis, size: 58, values: (plot, ticks) => ticks.map((value) => format.format(value)) },
    ],
    series: [
      { label: "", value: (plot, at) => (at === null ? "" : time.format(at * 1000)) },
      { label: "min", show: true, stroke: "transparent", points: { show: false }, value: (plot, value) => say(value) },
      { label: chart.words.mean, stroke: band, width: 2, points: { show: false }, value: (plot, value) => say(value) },
      { label: "max", show: true, stroke: "transparent", points: { show: false }, value: (plot, value) => say(value) },
    ],
    bands: [{ series: [3, 1], fill: `${band}26` }],
    hooks: { drawClear: [], draw: [marks(chart)], setSelect: [(plot) => (plot.zoomed = plot.select.width > 0 || plot.zoomed)] },
  };
}

async function draw(box) {
  if (drawn.has(box)) return;
  drawn.set(box, null);
  const answer = await fetch(box.dataset.chart);
  if (!answer.ok) return;
  const chart = await answer.json();
  if (!chart.data[0].length) {
    box.textContent = chart.note || chart.words.none;
    return;
  }
  const paint = () => {
    drawn.get(box)?.destroy();
    box.replaceChildren();
    const plot = new uPlot(options(chart, box), chart.data, box);
    plot.over.addEventListener("dblclick", () => {
      plot.zoomed = false;
      plot.setScale("x", { min: chart.start, max: chart.end });
    });
    drawn.set(box, plot);
  };
  paint();
  box.repaint = paint;
}

export function drawCharts(root) {
  for (const box of drawn.keys()) if (!box.isConnected) drawn.delete(box);
  for (const box of root.querySelectorAll(".chart[data-chart]")) draw(box);
}

let resize;
const repaint = () => {
  clearTimeout(resize);
  resize = setTimeout(() => {
    for (const box of drawn.keys()) box.repaint?.();
  }, 120);
};
window.addEventListener("resize", repaint);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
