import type { CreateSession, Decoder } from "@kvtuner/decoder";
import { createEvaluator, trace } from "@kvtuner/evaluation";
import type { TunableModel } from "@kvtuner/tuning";
import type { Model } from "./model.ts";

/** The page's model for tuning. Its calibration text is given, so it never writes its own. */
export const tunableModel = async (
  { file, identity, shape, tokenizer }: Model,
  decoder: Decoder,
  createSession: CreateSession,
): Promise<TunableModel> => ({
  identity: { ...identity, sha256: await sha256(file) },
  shape,
  encode: (text) => tokenizer.encode(text),
  startIds: tokenizer.startIds,
  continuations: () => Promise.reject(new Error("internal: this page tunes on a text that is given")),
  evaluator: (samples) => createEvaluator({ decoder, samples, createSession }),
  trace: (sample, visit) => trace(decoder, sample, visit),
  dispose: async () => undefined,
});

/** Identifies the file: another of the same name needs another study. */
const sha256 = async (file: Blob): Promise<string> => {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
};
