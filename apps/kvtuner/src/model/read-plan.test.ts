import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Asset, layerScheme, type Plan, uniformPlan } from "@kvtuner/plan";
import { serializeAssets, serializePlan } from "@kvtuner/plan/files";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inspect } from "../inspect.ts";
import { readPlan, readPlanFile } from "./read-plan.ts";

const shape = { layers: 2, queryHeads: 4, kvHeads: 2, headSize: 64 };
const assets: Asset[] = [{ name: "mean", dtype: "float32", shape: [3], data: new Float32Array([1, 2, 3]) }];
const plan: Plan = {
  ...uniformPlan({ name: "Small", architecture: "llama" }, shape, layerScheme("kivi", { key: 4, value: 2 })),
  assets,
};

let folder: string;
let planPath: string;
let assetPath: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kvtuner-plan-"));
  planPath = join(folder, "plan.json");
  assetPath = join(folder, "plan.safetensors");
  const bytes = serializeAssets(assets);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(planPath, serializePlan(plan, { file: "plan.safetensors", sha256 }));
  writeFileSync(assetPath, bytes);
});

afterEach(() => rmSync(folder, { recursive: true }));

test("a plan file is read with its asset file", () => {
  expect(readPlanFile(planPath)).toEqual(plan);
});

test("inspect counts assets separately", async () => {
  const report = await inspect({ target: planPath });
  expect(report).toMatchObject({ kind: "plan", assetBytes: 12 });
  expect(report).not.toHaveProperty("plan.assets");
});

test("a missing or changed asset file is rejected with the plan's name", () => {
  writeFileSync(assetPath, "changed");
  expect(() => readPlanFile(planPath)).toThrow(expect.objectContaining({ code: "PLAN_ASSETS_DAMAGED" }) as Error);
  rmSync(assetPath);
  expect(() => readPlanFile(planPath)).toThrow(/plan\.json: expected the plan's asset file plan\.safetensors/);
});

test("another runtime's flags are read, as given or from a file, whose name is in errors", () => {
  const own = { identity: plan.model, shape };
  const path = join(folder, "flags.txt");
  writeFileSync(path, "--cache-type-k q8_0 --cache-type-v q4_0 --flash-attn on\n");
  expect(readPlan(path, own)).toEqual(readPlan("-ctk q8_0 -ctv q4_0", own));
  writeFileSync(path, "--kv-cache-dtype int3\n");
  expect(() => readPlan(path, own)).toThrow(/flags\.txt: expected --kv-cache-dtype/);
  expect(() => readPlan(path, own)).toThrow(expect.objectContaining({ code: "SETTING_INVALID" }) as Error);
});
