import { testBackend } from "@kvtuner/backend/test";
import { blockFormatScheme, type LayerScheme } from "@kvtuner/plan";
import { createReferenceBackend } from "./reference-backend.ts";

const loader = new URL("../../../../tools/typescript-loader.mjs", import.meta.url).href;

/** The suite covers dynamic scales by itself. */
const FIXED_SCALES = (["e4m3", "e5m2"] as const).map((format): LayerScheme => ({
  key: { kind: "float8", format, scope: "tensor", scales: [0.02], blockSize: 1 },
  value: { kind: "float8", format, scope: "head", scales: [0.5], blockSize: 7 },
  residency: { kind: "prefix", sinks: 1, recent: 5 },
}));

/** The suite covers formats of 32 or fewer numbers without fixed scales by itself. */
const OTHER_FORMATS = (["nvfp4", "ort-int4", "ort-int8"] as const).map((format, index): LayerScheme => ({
  key: blockFormatScheme((["quanto2-channel", "quanto4", "hqq4"] as const)[index]!),
  value: blockFormatScheme(format, { scales: [0.02], blockSize: 3 }),
  residency: { kind: "prefix", sinks: 1, recent: 5 },
}));

testBackend({
  name: "cpu-reference",
  createBackend: createReferenceBackend,
  createSmallBackend: createReferenceBackend,
  backendModule: {
    url: new URL("./reference-backend.ts", import.meta.url).href,
    exportName: "createReferenceBackend",
    nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
  },
  schemes: [...FIXED_SCALES, ...OTHER_FORMATS],
  tolerance: 1e-6,
});
