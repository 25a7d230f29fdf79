import { parseArgs } from "node:util";
import { createReferenceBackend } from "@kvtuner/backend-cpu";
import { createWebGpuBackend } from "@kvtuner/backend-webgpu";
import { openDevice } from "./dawn.mjs";
import { gpuTable } from "./gpu-table.mjs";
import { openVariants } from "./gpu-variants.mjs";
import { openOrt } from "./ort-on-device.mjs";
import { timeInTurns } from "./turns.mjs";

const DEFAULTS = {
  length: "32768",
  batch: "8",
  shape: "32/8/128",
  rounds: "9",
  calls: "20",
  plans: "none,per-token:K8V8,per-token:K4V4,kivi:K4V4,kivi:K2V2,compact:K4V3",
};

/** Kept, because Dawn must outlive everything made from it. */
let opened;

/**
 * Runs the comparison with the arguments of a command line.
 *
 * @returns the rows, `{ timed, refused }`, as printed; undefined without an adapter
 */
export const compareOnGpu = async (words, print) => {
  const options = optionsOf(words);
  opened = await openDevice();
  if (!opened) {
    print("skipped: this machine has no WebGPU adapter");
    return undefined;
  }
  const sides = await openSides(opened);
  headlines(opened.info, sides, options).forEach((line) => print(line));
  const { variants, refused } = await openVariants({ ...options, ...sides });
  const medians = await timeInTurns(sides.device, variants, options);
  const timed = variants.map((variant, index) => ({ ...variant, ...medians[index] }));
  print(gpuTable({ timed, refused, rivals: rivalsOf(timed), bandwidth: options.bandwidth }));
  await closeAll([...variants, sides.backend, sides.reference]);
  sides.device.destroy();
  return { timed, refused };
};

/** Both sides on one device. ONNX Runtime's rows use 16 bits if shaders have them, as models for GPUs do. */
const openSides = async ({ gpu, device }) => ({
  device,
  backend: await createWebGpuBackend({ gpu, device }),
  reference: createReferenceBackend(),
  ort: openOrt(device),
  rowType: device.features.has("shader-f16") ? "float16" : "float32",
});

const headlines = ({ vendor, architecture, device, description }, { backend, rowType }, { summary }) => {
  const adapter = [vendor, architecture, device, description].filter(Boolean).join(" ");
  const isSoftware = /llvmpipe|swiftshader/i.test(adapter);
  return [
    adapter,
    `kernels ${backend.kernels}; ${summary}; onnxruntime with ${rowType} queries`,
    ...(isSoftware ? ["software driver: the results are checked, but the times mean nothing"] : []),
  ];
};

/** What all are compared with: the first plan, and ONNX Runtime. */
const rivalsOf = (timed) => timed.filter(({ name }, index) => index === 0 || name.startsWith("onnxruntime"));

const closeAll = async (all) => {
  for (const each of all) await each.dispose();
};

const optionsOf = (words) => {
  const texts = Object.entries(DEFAULTS).map(([name, text]) => [name, { type: "string", default: text }]);
  const { values } = parseArgs({
    args: words,
    options: { ...Object.fromEntries(texts), bandwidth: { type: "string" } },
  });
  const [queryHeads, kvHeads, headSize] = values.shape.split("/").map(Number);
  const [length, batch, rounds, calls] = [values.length, values.batch, values.rounds, values.calls].map(Number);
  const shape = { queryHeads: queryHeads * batch, kvHeads: kvHeads * batch, headSize };
  const plans = values.plans.split(",");
  const bandwidth = values.bandwidth && Number(values.bandwidth);
  const summary = `${values.shape}, ${length} tokens, batch ${batch}, ${rounds} turns of ${calls} calls`;
  return { sizes: { shape, length, batch }, plans, rounds, calls, bandwidth, summary };
};
