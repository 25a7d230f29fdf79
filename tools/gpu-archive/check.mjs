// One conformance check, in a process of its own:  node dist/check.js FAMILY EXPORT TOLERANCE
// Prints whether there is a GPU, then a line of JSON after each law.
import { LAWS } from "../../packages/backend/src/test/laws.ts";

/** Errors of a backend without a GPU or without its driver. */
const NO_GPU = ["BACKEND_NO_ADAPTER", "CUDA_DRIVER_MISSING", "CUDA_DRIVER_STUB", "CUDA_NO_DEVICE"];

const [family, exportName, tolerance] = process.argv.slice(2);

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const reasonOf = (error) => `${error.code ?? error.name}: ${error.message}`;

/** Makes a backend once, to see whether this check can run, and returns its name. */
const open = async (create) => {
  try {
    await (await create()).dispose();
    return true;
  } catch (error) {
    say({ isMissing: NO_GPU.includes(error.code), reason: reasonOf(error) });
    return false;
  }
};

const checkLaw = async (name, { check, skipped }, options) => {
  const reason = skipped?.(options);
  if (reason) return { law: name, state: "skipped", reason };
  const started = performance.now();
  const failure = await check(options).then(() => undefined, reasonOf);
  const timeMs = Math.round(performance.now() - started);
  return failure ? { law: name, state: "failed", timeMs, reason: failure } : { law: name, state: "passed", timeMs };
};

const file = new URL(`./${family}-backends.js`, import.meta.url);
const { [exportName]: createBackend } = await import(file.href);
if (await open(createBackend)) {
  const backendModule = { url: file.href, exportName };
  const options = {
    name: family,
    createBackend,
    createSmallBackend: createBackend,
    backendModule,
    tolerance: Number(tolerance),
  };
  for (const [name, law] of Object.entries(LAWS)) say(await checkLaw(name, law, options));
}
