import { layerScheme, uniformPlan, type Asset, type Plan } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { memoryStorage } from "../storage/memory-storage.ts";
import { readPlan, writePlan } from "./plan-file.ts";

const shape = { layers: 2, queryHeads: 8, kvHeads: 2, headSize: 64 };
const plan = uniformPlan({ name: "m", architecture: "llama" }, shape, layerScheme("kivi", { key: 4, value: 2 }));
const table: Asset = { name: "mean", dtype: "float32", shape: [2], data: Float32Array.of(0.5, -3) };
const withTable: Plan = { ...plan, assets: [table] };

test("a plan is read back as written, with its assets in a record of their own", async () => {
  const storage = memoryStorage();
  expect(await readPlan(storage)).toBeUndefined();
  await writePlan(storage, plan);
  expect(await storage.list()).toEqual(["plan.json"]);
  expect(await readPlan(storage)).toEqual(plan);
  await writePlan(storage, withTable);
  expect(await readPlan(storage)).toEqual(withTable);
  // Assets of an earlier plan do not belong to a later one without any.
  await writePlan(storage, plan);
  expect(await readPlan(storage)).toEqual(plan);
});

test("assets that are not those of the plan are refused", async () => {
  const storage = memoryStorage();
  await writePlan(storage, withTable);
  const text = (await storage.read("plan.json")) ?? "";
  await writePlan(storage, { ...plan, assets: [{ ...table, data: Float32Array.of(0.5, 3) }] });
  await storage.write("plan.json", text);
  await expect(readPlan(storage)).rejects.toMatchObject({ code: "PLAN_ASSETS_DAMAGED" });
  const without = memoryStorage(new Map([["plan.json", text]]));
  await expect(readPlan(without)).rejects.toMatchObject({ code: "PLAN_ASSETS_MISSING" });
});
