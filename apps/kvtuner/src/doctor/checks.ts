import { formatBytes } from "@kvtuner/plan";
import { FETCHED_MODEL_NAMES } from "../model/resolve.ts";
import type { Adapter, Machine } from "./machine.ts";

/** One check of the machine: its result, what that means, and what to do. */
export interface Finding {
  /** Name of the check, like `node` or `webgpu`; stable. */
  readonly name: string;
  /** Fine, missing but not needed, worth knowing, or in the way of running KVTuner. */
  readonly status: "ok" | "absent" | "warning" | "problem";
  /** Result in a few words. */
  readonly found: string;
  readonly message: string;
  /** What to do, if anything. */
  readonly remedy?: string;
}

interface Check {
  readonly name: string;
  /** Returns what it found. Throws a {@link Fault}, or any error, if something is wrong. */
  readonly probe: (machine: Machine) => string | Promise<string>;
  /** What the result means. */
  readonly message: string;
  /** What to do about a fault without a remedy of its own. */
  readonly remedy: string;
  /** Whether KVTuner runs even if the probe throws. */
  readonly isOptional: boolean;
}

/** Runs all checks; one that throws is a finding too. */
export const diagnose = async (machine: Machine): Promise<Finding[]> => {
  const findings: Finding[] = [];
  for (const check of CHECKS) findings.push(await findingOf(check, machine));
  return findings;
};

const findingOf = async ({ name, probe, message, remedy, isOptional }: Check, machine: Machine): Promise<Finding> => {
  try {
    return { name, status: "ok", found: await probe(machine), message };
  } catch (error) {
    const found = (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
    const better = error instanceof Fault ? error.better : {};
    return { name, status: isOptional ? "absent" : "problem", found, message, remedy, ...better };
  }
};

/** A failed check; `better` overrides the check's status or remedy. */
class Fault extends Error {
  readonly better: Partial<Pick<Finding, "status" | "remedy">>;

  constructor(found: string, better: Fault["better"] = {}) {
    super(found);
    this.better = better;
  }
}

const LEAST_NODE = [20, 19] as const;

/** Minimum for loading a model of a few hundred million weights and working on it. */
const LEAST_MEMORY_BYTES = 2e9;

const GPU_MESSAGE = "optional; --backend of run, bench and tune --verify stores caches on it";

const CHECKS: readonly Check[] = [
  {
    name: "node",
    isOptional: false,
    probe: (machine) => {
      const version = machine.nodeVersion();
      const [major = 0, minor = 0] = version.split(".").map(Number);
      if (major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])) return version;
      throw new Fault(version);
    },
    message: `KVTuner needs ${LEAST_NODE.join(".")} or newer`,
    remedy: `install Node ${LEAST_NODE.join(".")} or newer`,
  },
  {
    name: "system",
    isOptional: true,
    probe: (machine) => {
      const { platform, release, architecture, processor, cores } = machine.system();
      return `${platform} ${release} ${architecture}, ${processor}, ${cores} ${cores === 1 ? "core" : "cores"}`;
    },
    message: "models use all cores; --threads of run and bench takes fewer",
    remedy: "report this; KVTuner runs anyway",
  },
  {
    name: "memory",
    isOptional: false,
    probe: (machine) => {
      const { totalBytes, availableBytes } = machine.memory();
      const found = `${formatBytes(availableBytes)} available of ${formatBytes(totalBytes)}`;
      if (availableBytes >= LEAST_MEMORY_BYTES) return found;
      throw new Fault(found);
    },
    message: "run holds about as much as the model file; tune and eval map float32 weights from disk",
    remedy: "close other programs, raise the container's limit, or use a smaller model and a shorter --sample-length",
  },
  {
    name: "wasm-simd",
    isOptional: false,
    probe: async (machine) => {
      const { simd, kernels } = await machine.wasm();
      if (simd) return kernels === undefined ? "yes" : `yes, ${kernels} kernels`;
      throw new Fault("no", {
        remedy: "use a processor with SSE 4.1 or NEON, or --backend cpu-reference, which is slow",
      });
    },
    message: "packed caches need WebAssembly with 128-bit SIMD",
    remedy: "run Node with WebAssembly: without --jitless or a policy that forbids it",
  },
  {
    name: "wasm-relaxed-simd",
    isOptional: true,
    probe: async (machine) => yes((await machine.wasm()).relaxedSimd),
    message: "optional; kernels multiply and add in one step with it",
    remedy: "use Node 22 or newer",
  },
  {
    name: "wasm-threads",
    isOptional: true,
    probe: async (machine) => yes((await machine.wasm()).threads),
    message: "optional; threads share memory with it (SharedArrayBuffer)",
    remedy: "in a browser, give the page cross-origin isolation; Node always has it",
  },
  {
    name: "onnxruntime",
    isOptional: false,
    probe: async (machine) => {
      const { version, providers } = await machine.onnxRuntime();
      return `onnxruntime-node ${version} (${providers.join(", ")})`;
    },
    message: "models run on its cpu provider",
    remedy:
      "install it again for this system: npm install onnxruntime-node; it ships libraries for Linux (glibc), macOS and Windows, x64 and arm64",
  },
  {
    name: "webgpu",
    isOptional: true,
    probe: async (machine) => {
      const { hasBackend, source, adapter } = await machine.webGpu();
      if (source === undefined) throw new Fault("neither navigator.gpu nor the package webgpu");
      if (adapter === undefined) throw new Fault(`${source}, but no adapter`, { remedy: INSTALL_GPU_DRIVER });
      if (hasBackend) return adapterText(adapter, source);
      throw new Fault(adapterText(adapter, source));
    },
    message: GPU_MESSAGE,
    remedy: "for --backend webgpu: npm install @kvtuner/backend-webgpu webgpu, beside kvtuner",
  },
  {
    name: "cuda",
    isOptional: true,
    probe: async (machine) => {
      const { hasBackend, driverPath, device } = await machine.cuda();
      if (driverPath === undefined) throw new Fault("no driver library", { remedy: INSTALL_NVIDIA_DRIVER });
      if (!hasBackend || device === undefined) throw new Fault(driverPath);
      const kernels = { nvrtc: "kernels compiled here by NVRTC", ptx: "kernels as shipped, no NVRTC" }[device.kernels];
      return `${device.name}, ${device.architecture}, ${formatBytes(device.memoryBytes)}, ${kernels}`;
    },
    message: GPU_MESSAGE,
    remedy: "for --backend cuda: npm install @kvtuner/backend-cuda, beside kvtuner",
  },
  {
    name: "models",
    isOptional: false,
    probe: (machine) => {
      const { folder, models = [] } = machine.modelCache();
      if (models.length === 0) throw new Fault(`none in ${folder}`, { status: "absent", remedy: FETCH_MODEL });
      const list = models.map(({ name, sizeBytes }) => `${name} (${formatBytes(sizeBytes)})`);
      return `${list.join(", ")} in ${folder}`;
    },
    message: `${FETCHED_MODEL_NAMES.join(", ")} are looked up in this folder; KVTUNER_HOME moves it`,
    remedy: "make the folder readable for this user, or set KVTUNER_HOME to another one",
  },
  {
    name: "segments",
    isOptional: true,
    probe: async (machine) => {
      const { folder, sizeBytes } = await machine.segmentCache();
      return `${formatBytes(sizeBytes)} in ${folder}`;
    },
    message: "weights of models in use, ready to map; delete the folder to free the space, and they are written again",
    remedy: "make the folder readable for this user, or set KVTUNER_HOME to another one",
  },
];

const INSTALL_GPU_DRIVER = "install the GPU's driver (on Linux one for Vulkan); VK_ICD_FILENAMES selects another one";
const INSTALL_NVIDIA_DRIVER = "for --backend cuda: install NVIDIA's driver, and @kvtuner/backend-cuda beside kvtuner";
const FETCH_MODEL = `use the path of a GGUF file; in a checkout of KVTuner, npm run model -- ${FETCHED_MODEL_NAMES[0]} fetches one`;

const yes = (isThere: boolean): string => {
  if (isThere) return "yes";
  throw new Fault("no");
};

const adapterText = (
  { name, isSoftware, hasFloat16, hasSubgroups, maxBindingBytes }: Adapter,
  source: string,
): string => {
  const software = isSoftware ? " (software driver: its times mean nothing)" : "";
  const features = `${hasFloat16 ? "16-bit floats" : "no 16-bit floats"}, ${hasSubgroups ? "subgroups" : "no subgroups"}`;
  return `${name}, by ${source}${software}: ${features}, buffers to ${formatBytes(maxBindingBytes)}`;
};
