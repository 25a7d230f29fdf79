import embeddedModel from "@kvtuner/embedded-model/model.gguf?url";
import { expect, test } from "vitest";
import { Engine } from "./engine.ts";

test("concurrent calls take turns, and the next one runs even if one fails or is stopped", async () => {
  const engine = new Engine();
  const file = await (await fetch(embeddedModel)).blob();
  const generate = async (prompt: string, plan = "kivi:K4V2", onText = (): void => undefined): Promise<string> => {
    let text = "";
    const add = (piece: string): void => {
      text += piece;
      onText();
    };
    const request = { runtime: "cpu", plan, prompt, maxTokens: 12, temperature: 0 } as const;
    const finish = await engine.generate(request, { onProgress: () => undefined, onText: add });
    return finish === "interrupted" ? finish : text;
  };
  // Nothing is awaited in between, not even opening the model.
  const calls = [engine.open(file), generate("cpy xkqab:"), generate("rev xkqab:"), generate("?", "kivi:K4")] as const;
  const stopped = generate("the rider walks to ", "per-token:K8V4", () => engine.stop());
  const results = await Promise.allSettled([...calls, stopped, generate("cpy xkqab:")]);
  expect(results.map((result) => (result.status === "fulfilled" ? result.value : result.status))).toEqual([
    expect.objectContaining({ contextLength: expect.any(Number) as number }),
    "xkqab",
    "baqkx",
    "rejected",
    "interrupted",
    "xkqab",
  ]);
});
