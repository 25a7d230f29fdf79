import { formatBytes } from "@kvtuner/plan";

import { FETCHED_MODEL_NAMES } from "../model/resolve.ts";
import type { Finding } from "./finding.ts";
import type { Probes, WebGpuAdapterFacts } from "./probes.ts";

/** Runs every probe and says what each means; one that fails becomes a finding like any other. */
export const diagnose = async (probes: Probes): Promise<Finding[]> => {
  const findings: Finding[] = [];
  for (const { names, look, failed } of examinations)
    findings.push(
      ...(await look(probes).catch((error: unknown) => names.map((name) => failedLook(name, error, failed)))),
    );
  return findings;
};

interface Examination {
  /** Of the findings, in order. */
  readonly names: readonly string[];
  readonly look: (probes: Probes) => Promise<Finding[]>;
  /** What a look that throws means. */
  readonly failed: Pick<Finding, "status" | "meaning"> & { readonly advice: string };
}

const failedLook = (name: string, error: unknown, failed: Examination["failed"]): Finding => ({
  name,
  found: firstLine(error),
  ...failed,
});

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";

const unknown = (what: string): Examination["failed"] => ({
  status: "absent",
  meaning: `${what} could not be found out; KVTuner runs without knowing it`,
  advice: "report it, with what was found",
});

const LEAST_NODE = [20, 19] as const;

const node = (version: string): Finding => {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNew = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  const least = LEAST_NODE.join(".");
  return {
    name: "node",
    found: version,
    ...(isNew
      ? { status: "ok", meaning: `KVTuner needs ${least} or newer` }
      : { status: "problem", meaning: `KVTuner needs ${least} or newer`, advice: `install Node ${least} or newer` }),
  };
};

const system = async (probes: Probes): Promise<Finding[]> => {
  const { platform, release, architecture, processor, cores } = probes.system();
  return [
    {
      name: "system",
      status: "ok",
      found: `${platform} ${release} ${architecture}, ${processor}, ${cores} ${cores === 1 ? "core" : "cores"}`,
      meaning: "the weights of a model run on all cores; --threads of run and bench takes fewer",
    },
  ];
};

/** Less than this is too little to load a model of some hundred million weights and work on it. */
const LEAST_MEMORY_BYTES = 2e9;

const memory = async (probes: Probes): Promise<Finding[]> => {
  const { totalBytes, availableBytes } = probes.memory();
  const found = `${formatBytes(availableBytes)} available of ${formatBytes(totalBytes)}`;
  const meaning = "tune and eval hold all weights as float32, four bytes each, and the text under work beside them";
  if (availableBytes >= LEAST_MEMORY_BYTES) return [{ name: "memory", status: "ok", found, meaning }];
  const advice = "end other programs, raise the container's limit, or take a smaller model and shorter --window-length";
  return [{ name: "memory", status: "problem", found, meaning, advice }];
};

const wasm = async (probes: Probes): Promise<Finding[]> => {
  const { simd, relaxedSimd, kernels, threads } = await probes.wasm();
  return [
    simd
      ? {
          name: "wasm-simd",
          status: "ok",
          found: kernels === undefined ? "yes" : `yes, ${kernels} kernels`,
          meaning: "packed caches run, on the fastest kernels that this engine and processor have",
        }
      : {
          name: "wasm-simd",
          status: "problem",
          found: "no",
          meaning: "the kernels of packed caches need 128-bit SIMD",
          advice: "run on a processor with SSE 4.1 or NEON, or pass --backend cpu-reference, which is slow",
        },
    optional("wasm-relaxed-simd", relaxedSimd, "fused multiply and add in WebAssembly", "Node 22 or newer has it"),
    optional(
      "wasm-threads",
      threads,
      "memory shared between threads (SharedArrayBuffer)",
      "a browser page needs cross-origin isolation for it; Node has it always",
    ),
  ];
};

const optional = (name: string, isThere: boolean, what: string, advice: string): Finding =>
  isThere
    ? { name, status: "ok", found: "yes", meaning: `${what} can be used` }
    : { name, status: "absent", found: "no", meaning: `${what} cannot be used; nothing fails without it`, advice };

const onnxRuntime = async (probes: Probes): Promise<Finding[]> => {
  const { version, providers } = await probes.onnxRuntime();
  const found = `onnxruntime-node ${version} (${providers.join(", ")})`;
  return [{ name: "onnxruntime", status: "ok", found, meaning: "the weights of models run on its cpu provider" }];
};

const webGpu = async (probes: Probes): Promise<Finding[]> => {
  const { hasBackend, source, adapter } = await probes.webGpu();
  const name = "webgpu";
  if (source === undefined)
    return [{ name, status: "absent", found: NO_WEBGPU, meaning: NO_GPU_NEEDED, advice: INSTALL_WEBGPU }];
  if (adapter === undefined)
    return [{ name, status: "absent", found: `${source}, but no adapter`, meaning: NO_GPU_NEEDED, advice: NO_ADAPTER }];
  const { maxBindingBytes, isSoftware } = adapter;
  const found = `${adapter.name}, by ${source}: ${featureText(adapter)}, buffers to ${formatBytes(maxBindingBytes)}`;
  const meaning = isSoftware ? SOFTWARE_MEANING : "--backend webgpu of run, bench and tune --verify keeps caches on it";
  return hasBackend
    ? [{ name, status: "ok", found, meaning }]
    : [{ name, status: "absent", found, meaning: NO_GPU_NEEDED, advice: INSTALL_WEBGPU }];
};

const NO_WEBGPU = "neither navigator.gpu nor the package webgpu";
const NO_GPU_NEEDED = "not needed: caches are kept on the CPU without it";
const INSTALL_WEBGPU = "for --backend webgpu: npm install @kvtuner/backend-webgpu webgpu, beside kvtuner";
const NO_ADAPTER = "install the driver of the GPU, on Linux one for Vulkan; VK_ICD_FILENAMES may name another";
const SOFTWARE_MEANING =
  "a driver that computes on the processor: --backend webgpu gives right results on it, but its times say nothing of a GPU";

const featureText = ({ hasFloat16, hasSubgroups }: WebGpuAdapterFacts): string =>
  `${hasFloat16 ? "16-bit floats" : "no 16-bit floats"}, ${hasSubgroups ? "subgroups" : "no subgroups"}`;

const cuda = async (probes: Probes): Promise<Finding[]> => {
  const { hasBackend, driverPath, device } = await probes.cuda();
  const name = "cuda";
  if (driverPath === undefined)
    return [{ name, status: "absent", found: "no driver library", meaning: NO_GPU_NEEDED, advice: INSTALL_DRIVER }];
  if (!hasBackend || device === undefined)
    return [{ name, status: "absent", found: driverPath, meaning: NO_GPU_NEEDED, advice: INSTALL_CUDA }];
  const kernels = { nvrtc: "kernels compiled here by NVRTC", ptx: "kernels as shipped, no NVRTC" }[device.kernels];
  const found = `${device.name}, ${device.architecture}, ${formatBytes(device.memoryBytes)}, ${kernels}`;
  return [{ name, status: "ok", found, meaning: "--backend cuda of run, bench and tune --verify keeps caches on it" }];
};

const INSTALL_DRIVER = "for --backend cuda: install NVIDIA's driver, and @kvtuner/backend-cuda beside kvtuner";
const INSTALL_CUDA = "for --backend cuda: npm install @kvtuner/backend-cuda, beside kvtuner";

const models = async (probes: Probes): Promise<Finding[]> => {
  const { folder, models: found = [] } = probes.modelCache();
  const advice = `npm run model -- ${FETCHED_MODEL_NAMES[0]} in a checkout of KVTuner fetches one; or name a GGUF file by its path`;
  const meaning = `${FETCHED_MODEL_NAMES.join(" and ")} are looked for in this folder; KVTUNER_HOME moves it`;
  if (found.length === 0) return [{ name: "models", status: "absent", found: `none in ${folder}`, meaning, advice }];
  const list = found.map(({ name, sizeBytes }) => `${name} (${formatBytes(sizeBytes)})`).join(", ");
  return [{ name: "models", status: "ok", found: `${list} in ${folder}`, meaning }];
};

const examinations: readonly Examination[] = [
  { names: ["node"], look: async (probes) => [node(probes.nodeVersion())], failed: unknown("the version of Node") },
  { names: ["system"], look: system, failed: unknown("the system") },
  { names: ["memory"], look: memory, failed: unknown("the memory") },
  {
    names: ["wasm-simd", "wasm-relaxed-simd", "wasm-threads"],
    look: wasm,
    failed: {
      status: "problem",
      meaning: "the kernels of packed caches are WebAssembly",
      advice: "run a Node that has WebAssembly: without --jitless and without a policy that forbids it",
    },
  },
  {
    names: ["onnxruntime"],
    look: onnxRuntime,
    failed: {
      status: "problem",
      meaning: "the native library of onnxruntime-node does not load, so no model runs",
      advice:
        "install again with optional files and for this system: npm install onnxruntime-node; it ships libraries for Linux (glibc), macOS and Windows, x64 and arm64",
    },
  },
  {
    names: ["webgpu"],
    look: webGpu,
    failed: { status: "absent", meaning: NO_GPU_NEEDED, advice: "npm install webgpu again" },
  },
  {
    names: ["cuda"],
    look: cuda,
    failed: { status: "absent", meaning: NO_GPU_NEEDED, advice: "for --backend cuda, do what was found says" },
  },
  {
    names: ["models"],
    look: models,
    failed: {
      status: "problem",
      meaning: "the folder of models cannot be read",
      advice: "give this user the right to read it, or set KVTUNER_HOME to another folder",
    },
  },
];
