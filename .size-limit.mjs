// What an entry point may weigh: minified and compressed, with its dependencies, without Node's own modules.
import { builtinModules } from "node:module";
import { entriesOf, workspaces } from "./tools/workspace.mjs";

/** Limits by import specifier; a new entry point needs a line here. Zod, which reads files, is most of every large one. */
const limits = {
  "@kvtuner/plan": "9 kB",
  "@kvtuner/plan/files": "120 kB",
  "@kvtuner/quantizers": "20 kB",
  "@kvtuner/sensitivity": "11 kB",
  "@kvtuner/clustering": "24 kB",
  "@kvtuner/search": "14 kB",
  "@kvtuner/backend": "20 kB",
  "@kvtuner/backend/test": "37 kB",
  "@kvtuner/backend-cpu": "75 kB",
  "@kvtuner/backend-cuda": "34 kB",
  "@kvtuner/backend-webgpu": "56 kB",
  "@kvtuner/decoder": "115 kB",
  "@kvtuner/decoder/node": "39 kB",
  "@kvtuner/decoder/sessions": "130 kB",
  "@kvtuner/evaluation": "174 kB",
  "@kvtuner/evaluation/bench": "72 kB",
  "@kvtuner/tuning": "247 kB",
  "@kvtuner/report": "166 kB",
  "@kvtuner/embedded-model": "1 kB",
  "@kvtuner/hub": "39 kB",
  kvtuner: "430 kB",
};

/** Chosen or passed in by whoever runs the code, not part of it. */
const external = ["onnxruntime-node", "onnxruntime-common", "koffi", "vega", "vega-lite", "vitest", "fast-check"];

const nodeModules = builtinModules.flatMap((name) => [name, `node:${name}`]);

const specifierOf = (manifest, subpath) => manifest.name + subpath.slice(1);

export default workspaces().flatMap(({ folder, manifest }) =>
  entriesOf(manifest).map(({ subpath, built }) => ({
    name: specifierOf(manifest, subpath),
    path: `${folder}/${built.replace("./", "")}`,
    limit: limits[specifierOf(manifest, subpath)] ?? "0 B",
    ignore: [...external, ...nodeModules],
  })),
);
