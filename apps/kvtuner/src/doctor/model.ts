import { faultFinding, modelFindings, readConfig, readDistributions, readShape, type GgufFile } from "@kvtuner/decoder";
import { openGgufFile } from "@kvtuner/decoder/node";
import { KvtunerError } from "@kvtuner/plan";
import { difficultyFinding, modelDifficulty, thenDispose } from "@kvtuner/tuning";
import { runMemory, WEIGHTS } from "../model/weights.ts";
import type { Finding } from "./checks.ts";

/** Checks a model file: all that is in the way of running it, the memory it needs, and how hard its keys are to quantize. */
export const diagnoseModel = async (path: string, availableBytes: number): Promise<Finding[]> => {
  try {
    const { gguf, close } = await openGgufFile(path);
    return await thenDispose(() => findingsOf(gguf, availableBytes), close);
  } catch (error) {
    if (!KvtunerError.isInstance(error)) throw error;
    return [faultFinding(error)];
  }
};

const findingsOf = async (gguf: GgufFile, availableBytes: number): Promise<Finding[]> => {
  const peaks = (): { weights: string; peakBytes: number }[] =>
    WEIGHTS.map((weights) => ({ weights, peakBytes: runMemory(gguf, weights).peakBytes }));
  const findings = await modelFindings(gguf, { availableBytes, peaks });
  if (!findings.some(({ name }) => name === "cache")) return findings;
  const shape = await readShape(gguf, readConfig(gguf));
  return [...findings, difficultyFinding(modelDifficulty(shape, await readDistributions(gguf)))];
};
