import {
  faultFinding,
  headerFindings,
  modelFindings,
  readConfig,
  readDistributions,
  readShape,
  type GgufFile,
} from "@kvtuner/decoder";
import { openGgufFile } from "@kvtuner/decoder/node";
import { KvtunerError } from "@kvtuner/plan";
import { difficultyFinding, modelDifficulty, thenDispose } from "@kvtuner/tuning";
import { exportDistributions } from "../model/distributions.ts";
import { openExportedHeader } from "../model/exported-model.ts";
import { chooseWeights } from "../model/memory.ts";
import type { ResolvedModel } from "../model/resolve.ts";
import type { Finding } from "./checks.ts";

/**
 * Checks a GGUF file or a directory with an ONNX model: all that is in the way of running it, the memory it needs, and how
 * hard its keys are to quantize.
 */
export const diagnoseModel = async ({ path, isExport }: ResolvedModel, availableBytes: number): Promise<Finding[]> => {
  try {
    if (isExport) return await exportFindings(path);
    const { gguf, close } = await openGgufFile(path);
    return await thenDispose(() => findingsOf(gguf, availableBytes), close);
  } catch (error) {
    if (!KvtunerError.isInstance(error)) throw error;
    return [faultFinding(error)];
  }
};

const exportFindings = async (path: string): Promise<Finding[]> => {
  const { identity, tokenizer, ...header } = await openExportedHeader(path);
  return [
    ...headerFindings({ ...header, architecture: identity.architecture, tokenizer: tokenizer() }),
    difficultyFinding(modelDifficulty(header.shape, await exportDistributions(header))),
  ];
};

const findingsOf = async (gguf: GgufFile, availableBytes: number): Promise<Finding[]> => {
  const findings = await modelFindings(gguf, () => chooseWeights(gguf, {}, availableBytes));
  if (!findings.some(({ name }) => name === "cache")) return findings;
  const shape = await readShape(gguf, readConfig(gguf));
  return [...findings, difficultyFinding(modelDifficulty(shape, await readDistributions(gguf)))];
};
