import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { embeddedModelUrl, embeddedTexts } from "@kvtuner/embedded-model";
import { afterAll, expect, test } from "vitest";
import { evaluate, tune } from "../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-embedded-name-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the name embedded is the model that comes along, on the texts that were made for it", async () => {
  const model = fileURLToPath(embeddedModelUrl);
  const options = { plan: "per-token:K3V3", samples: 1, sampleLength: 64 };
  const named = await evaluate({ ...options, model: "embedded" });
  expect(named).toEqual(await evaluate({ ...options, model, text: fileURLToPath(embeddedTexts.evaluation) }));

  const study = { mode: "per-token", pairs: ["K4V4", "K2V2"], samples: 1, sampleLength: 64, evaluations: 4 } as const;
  const text = fileURLToPath(embeddedTexts.calibration);
  const [tuned, other] = [
    await tune({ ...study, model: "embedded", out: join(folder, "named") }),
    await tune({ ...study, model, text, out: join(folder, "path") }),
  ];
  expect(tuned.front).toEqual(other.front);
});
