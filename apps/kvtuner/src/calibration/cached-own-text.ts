import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CALIBRATION_PROMPTS, ownText, type OwnText, type OwnTextOptions, type TunableModel } from "@kvtuner/tuning";
import { z } from "zod";
import { kvtunerHome } from "../model/home.ts";
import { writeJsonAtomic } from "../study/atomic-file.ts";
import { makeFolder } from "../study/make-folder.ts";

/** Samples of the model's own text, cached under KVTUNER_HOME because sampling takes time. */
export const cachedOwnText: OwnText = async (model, options, run) => {
  const path = cachePath(model, options);
  const cached = path === undefined ? undefined : readCache(path, options);
  if (cached !== undefined) return cached;
  const samples = await ownText(model, options, run);
  if (path !== undefined) writeCache(path, samples, run.warn);
  return samples;
};

/** Undefined for a model without a checksum, which could be another one next time. */
const cachePath = ({ identity }: TunableModel, { samples, sampleLength, seed }: OwnTextOptions): string | undefined => {
  if (identity.sha256 === undefined) return undefined;
  const key = JSON.stringify([identity.sha256, samples, sampleLength, seed, CALIBRATION_PROMPTS]);
  return join(kvtunerHome(), "own-text", `${createHash("sha256").update(key).digest("hex")}.json`);
};

/** Undefined if the file is missing, unreadable or damaged; the text is then sampled again. */
const readCache = (path: string, { samples, sampleLength }: OwnTextOptions): Int32Array[] | undefined => {
  const schema = z.array(z.array(z.int32().min(0)).length(sampleLength)).length(samples);
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8"))).map((sample) => Int32Array.from(sample));
  } catch {
    return undefined;
  }
};

/** The text exists by now, so a cache that cannot be written only costs the next run time. */
const writeCache = (path: string, samples: readonly Int32Array[], warn: (message: string) => void): void => {
  try {
    makeFolder(dirname(path));
    writeJsonAtomic(
      path,
      samples.map((sample) => [...sample]),
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    warn(`could not cache the model's own text in ${path} (${reason}); the next run samples it again`);
  }
};
