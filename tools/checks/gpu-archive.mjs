// Packs the GPU checks and runs them as on a bare machine without a GPU: each must report that it found none.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, succeed } from "../workspace.mjs";

/** An environment without this machine's variables and GPUs. */
const BARE = ["/usr/bin/env", "-i", "CUDA_VISIBLE_DEVICES=", "VK_ICD_FILENAMES=/nowhere", "VK_DRIVER_FILES=/nowhere"];
const NO_GPU_FOUND = 2;

const faultsIn = ({ results }) =>
  results.filter(({ state }) => state !== "no GPU").map(({ name, state, reason }) => `${name}: ${state}, ${reason}`);

const folder = mkdtempSync(join(tmpdir(), "kvtuner-gpu-archive-"));
try {
  const archive = join(folder, "checks.tar.gz");
  await succeed({ folder }, [process.execPath, join(import.meta.dirname, "../gpu-archive.mjs"), "--out", archive]);
  await succeed({ folder }, ["tar", "-xzf", archive]);
  const { code, output } = await run([...BARE, join(folder, "kvtuner-gpu-checks/run.sh")], {
    output: "capture",
    cwd: folder,
  });
  const faults = faultsIn(JSON.parse(readFileSync(join(folder, "gpu-checks.json"), "utf8")));
  if (code !== NO_GPU_FOUND) faults.push(`expected exit code ${NO_GPU_FOUND}, got ${code}:\n${output}`);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
