import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { compileKernels, instantiateKernels, type Kernels, type Simd } from "./kernel-module.ts";
import { hasRelaxedSimd, type KernelsWithMemory, sumsAgree } from "./relaxed-self-test.ts";

const PAGES = 17;
const root = new URL("../../../../", import.meta.url);

const kernelsOf = async (simd: Simd): Promise<KernelsWithMemory> => {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  return { kernels: await instantiateKernels(await compileKernels(simd), memory), memory };
};

/** Sums with an error of one in one output, for one number of heads. */
const withFault = ({ kernels, memory }: KernelsWithMemory, bits: number, heads: number): KernelsWithMemory => {
  const { sumPanels, splitFactors, sumPanelsInto, unitFactors } = kernels;
  const faulty = (...call: Parameters<Kernels["sumPanels"]>): void => {
    sumPanels(...call);
    if (call[0] === bits && call[1] === heads) new Int32Array(memory.buffer, 2 ** 20)[5]! += 1;
  };
  return { kernels: { ...kernels, splitFactors, sumPanelsInto, unitFactors, sumPanels: faulty }, memory };
};

test.each([
  [2, 1],
  [3, 3],
  [4, 2],
])("a sum of %i-bit codes and %i heads that is off by one fails the self-test", async (bits, heads) => {
  const [one, other] = [await kernelsOf("baseline"), await kernelsOf("baseline")];
  expect(sumsAgree(one, other)).toBe(true);
  expect(sumsAgree(one, withFault(other, bits, heads))).toBe(false);
});

const isNode20 = process.versions.node.startsWith("20.");
const elsewhere = isNode20 ? "" : " (this is not Node 20)";

test.skipIf(!isNode20)(`Node 20 fails it with its flag for relaxed SIMD, and runs the baseline${elsewhere}`, () => {
  const url = new URL("./cpu-backend.ts", import.meta.url).href;
  const program = `
    const { createCpuBackend } = await import(${JSON.stringify(url)});
    const named = createCpuBackend({ simd: "dot-products" }).catch((error) => error);
    console.log((await named).code, (await createCpuBackend()).simd);`;
  const loader = new URL("tools/typescript-loader.mjs", root).href;
  const options = ["--experimental-wasm-relaxed-simd", "--conditions=@kvtuner/source", "--import", loader];
  const output = execFileSync(process.execPath, [...options, "--input-type=module", "-e", program], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  expect(output).toBe("BACKEND_SIMD baseline\n");
});

test.skipIf(!isNode20)(`an engine without relaxed SIMD has none that works${elsewhere}`, async () => {
  expect(await hasRelaxedSimd()).toBe(false);
});
