// Packs the GPU checks of both GPU packages for a machine with a GPU driver but no Node and no network:
//   node tools/gpu-archive.mjs [--out kvtuner-gpu-checks.tar.gz]
// On that machine (Linux x64):  tar -xzf kvtuner-gpu-checks.tar.gz && kvtuner-gpu-checks/run.sh
// The archive holds Node, koffi, Dawn, the built packages, shaders and CUDA kernels (as sources and PTX), and the laws.
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { prepare } from "./prepare.mjs";
import { fetchNode } from "./second-node.mjs";
import { root, run, succeed } from "./workspace.mjs";

const NAME = "kvtuner-gpu-checks";
const NODE = "20.20.2";
const MOST_BYTES = 60e6;

const { values: options } = parseArgs({ options: { out: { type: "string", default: `${NAME}.tar.gz` } } });

/** Packages copied unbundled, with only their files for Linux x64. */
const MODULES = [
  {
    name: "koffi",
    from: "packages/backend-cuda",
    parts: ["package.json", "index.js", "src/koffi/index.js", "src/koffi/src/static.js", "LICENSE.txt"],
  },
  {
    name: "webgpu",
    from: "packages/backend-webgpu",
    parts: ["package.json", "index.js", "dist/linux-x64", "LICENSE.md"],
  },
  { name: "onnxruntime-common", from: "packages/backend", parts: ["package.json", "dist"] },
];

/** koffi's binary is in a package next to it. */
const KOFFI = "node_modules/.pnpm/node_modules/@koromix/koffi-linux-x64";

const ENTRIES = {
  check: "tools/gpu-archive/check.mjs",
  "cuda-backends": "tools/gpu-archive/cuda-backends.mjs",
  "webgpu-backends": "tools/gpu-archive/webgpu-backends.mjs",
  "cuda-decode": "packages/backend-cuda/bench/decode-attention.mjs",
  "webgpu-prompt": "packages/backend-webgpu/bench/prefill.mjs",
};

const bundle = async (folder) => {
  const { build } = await import("esbuild"); // not installed before bootstrap
  await build({
    absWorkingDir: root,
    entryPoints: Object.entries(ENTRIES).map(([out, path]) => ({ in: path, out })),
    outdir: join(folder, "dist"),
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@kvtuner/source"],
    external: MODULES.map(({ name }) => name),
    logLevel: "error",
  });
};

const copyModules = (folder) => {
  for (const { name, from, parts } of MODULES)
    for (const part of parts)
      copy(join(root, from, "node_modules", name, part), join(folder, "node_modules", name, part));
  for (const part of ["package.json", "index.js", "linux_x64"])
    copy(join(root, KOFFI, part), join(folder, "node_modules/@koromix/koffi-linux-x64", part));
};

const copy = (from, to) => {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true });
};

/** Strips unneeded symbols, if the machine has a program for it. */
const addNode = async (folder) => {
  const { path, failed } = await fetchNode(NODE);
  if (failed) throw new Error(failed);
  copy(path, join(folder, "node"));
  await run(["strip", join(folder, "node")], { output: "capture" });
};

/** C++ libraries for Node and Dawn, for a machine that has only C. */
const addLibraries = async (folder) => {
  const listed = await succeed({ folder }, ["ldd", join(folder, "node")]);
  for (const [, name, path] of listed.matchAll(/^\s*(libstdc\+\+\.so\.6|libgcc_s\.so\.1) => (\S+)/gm))
    copy(path, join(folder, "lib", name));
};

const fill = async (folder) => {
  await bundle(folder);
  copyModules(folder);
  for (const part of ["kernels", "ptx"]) copy(join(root, "packages/backend-cuda", part), join(folder, part));
  for (const part of ["run.sh", "main.mjs"]) copy(join(root, "tools/gpu-archive", part), join(folder, part));
  copy(join(root, "LICENSE"), join(folder, "LICENSE"));
  await addNode(folder);
  await addLibraries(folder);
};

await prepare();
const parent = mkdtempSync(join(tmpdir(), "kvtuner-archive-"));
try {
  await fill(join(parent, NAME));
  const out = resolve(options.out);
  await succeed({ folder: parent }, ["tar", "--owner=0", "--group=0", "-I", "gzip -9", "-cf", out, NAME]);
  const sizeBytes = statSync(out).size;
  console.log(`${out}: ${(sizeBytes / 1e6).toFixed(1)} MB`);
  if (sizeBytes > MOST_BYTES) throw new Error(`expected at most ${MOST_BYTES / 1e6} MB; pack less`);
} finally {
  rmSync(parent, { recursive: true });
}
