import { layerScheme, type Asset } from "@kvtuner/plan";
import { expect, test } from "vitest";
import type { Calibration, CodedLayers, Method } from "../methods/method.ts";
import { memoryStorage } from "../storage/memory-storage.ts";
import type { StudyStorage } from "../storage/storage.ts";
import type { TunableModel } from "../tunable-model.ts";
import { keptSettings } from "./kept-settings.ts";

const shape = { layers: 1, queryHeads: 8, kvHeads: 2, headSize: 64 };
const table: Asset = { name: "mean", dtype: "float32", shape: [2], data: Float32Array.of(0.5, -3) };
const coded: CodedLayers = { layers: [layerScheme("kivi", { key: 4, value: 2 })], assets: [table] };

/** Calibrates the one setting of a method twice; what was measured, and the warnings. */
const kept = (storage: StudyStorage) => {
  const warnings: string[] = [];
  let calibrated = 0;
  const calibrate = async (): Promise<CodedLayers> => {
    calibrated++;
    return coded;
  };
  const method: Method = {
    name: "m",
    title: "M",
    source: "",
    settings: [{ label: "a b", codec: "affine", calibrate }],
  };
  const setting = keptSettings(method, storage).settings[0] as {
    calibrate: (with_: Calibration) => Promise<CodedLayers>;
  };
  const model = { identity: { name: "m", architecture: "llama" }, shape } as TunableModel;
  const callbacks = { progress: () => undefined, warn: (message: string) => void warnings.push(message) };
  return {
    warnings,
    calibrated: () => calibrated,
    calibrate: () => setting.calibrate({ model, samples: [], context: 1, seed: 0, callbacks }),
  };
};

test("a setting is calibrated once, and again after a damaged record, with a warning", async () => {
  const records = new Map<string, string | Uint8Array<ArrayBuffer>>();
  const { calibrate, calibrated, warnings } = kept(memoryStorage(records));
  await calibrate();
  expect(await calibrate()).toMatchObject(coded);
  expect([calibrated(), warnings]).toEqual([1, []]);
  const tables = records.get("calibrated-m-a-b.safetensors") as Uint8Array<ArrayBuffer>;
  tables[tables.length - 1]! ^= 1;
  expect(await calibrate()).toMatchObject(coded);
  expect(warnings[0]).toMatch(
    /^calibrated-m-a-b\.json or its tables are damaged: .*; the setting is calibrated again$/,
  );
  records.set("calibrated-m-a-b.json", "{");
  expect(await calibrate()).toMatchObject(coded);
  expect([calibrated(), warnings.length]).toEqual([3, 2]);
  await calibrate();
  expect([calibrated(), warnings.length]).toEqual([3, 2]);
});

test("a record that cannot be read is an error", async () => {
  const read = async (): Promise<never> => {
    throw new Error("EACCES: denied");
  };
  const { calibrate, calibrated } = kept({ ...memoryStorage(), read });
  await expect(calibrate()).rejects.toMatchObject({ code: "PLAN_FILE_UNREADABLE" });
  expect(calibrated()).toBe(0);
});
