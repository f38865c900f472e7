// A line of the last half minute.

import { put, svg } from "./dom.js";
import { POINTS } from "./live.js";

const [WIDTH, HEIGHT] = [60, 18];

/** A sparkline; the figure beside it says the value, so nobody has to see the line. */
export function spark() {
  const line = svg("polyline", { points: "" });
  const node = svg(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" },
    line,
  );
  const update = (values) => {
    const most = Math.max(...values, 1);
    const step = WIDTH / (POINTS - 1);
    const begin = POINTS - values.length;
    const points = values.map((value, at) => {
      const y = HEIGHT - 1.5 - (value / most) * (HEIGHT - 3);
      return `${((begin + at) * step).toFixed(1)},${y.toFixed(1)}`;
    });
    put(line, "points", points.join(" "));
  };
  return { node, update };
}
