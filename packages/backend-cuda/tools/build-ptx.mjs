// npm run build:ptx: compiles the kernels to PTX for sm_80 and all later architectures, into ptx/, with a fingerprint of
// their sources. The result is committed, so that releases need no NVRTC; a test fails when it is out of date.
import { mkdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { kernelSource } from "../src/compiler/kernel-source.ts";
import { openCompiler } from "../src/compiler/nvrtc.ts";
import { ptxFingerprint } from "../src/compiler/shipped-kernels.ts";
import { KERNELS } from "../src/device/device.ts";
import { fetchNvrtc } from "./fetch-nvrtc.mjs";

process.env.KVTUNER_NVRTC = fetchNvrtc();
const compiler = await openCompiler();
const folder = new URL("../ptx/", import.meta.url);
mkdirSync(folder, { recursive: true });
for (const module of Object.keys(KERNELS)) {
  const ptx = Buffer.from(compiler.compile(kernelSource(module), "compute_80"))
    .toString()
    .replace(/\0+$/, "");
  writeFileSync(new URL(`${module}.ptx.gz`, folder), gzipSync(`// ${ptxFingerprint(module)}\n${ptx}`, { level: 9 }));
}
