import type { TopLevelSpec } from "vega-lite";

import type { FrontPlan } from "../pipeline/pick.ts";

/** SVG of a front: bits against KL on a logarithmic axis, one point a plan. Vega is loaded when the first is drawn. */
export const frontChart = async (front: readonly FrontPlan[]): Promise<string> => {
  const [{ compile }, { View, parse }] = await Promise.all([import("vega-lite"), import("vega")]);
  const view = new View(parse(compile(frontSpec(front)).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
};

const frontSpec = (front: readonly FrontPlan[]): TopLevelSpec => ({
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  width: 560,
  height: 360,
  background: "white",
  title: "Plans no other beats",
  data: { values: front.map(({ bits, kl }) => ({ bits, kl: Math.max(kl, 1e-9) })) },
  mark: {
    type: "line",
    point: { size: 40, filled: true },
    interpolate: "step-after",
    color: "#1f5fa8",
    strokeWidth: 1.5,
  },
  encoding: {
    x: { field: "bits", type: "quantitative", scale: { zero: false }, title: "true bits a stored number" },
    y: { field: "kl", type: "quantitative", scale: { type: "log" }, title: "KL to the float cache, nats a token" },
    order: { field: "bits" },
  },
});
