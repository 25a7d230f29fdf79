import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { expect, test } from "vitest";
import { externalGraph } from "./external-data.ts";

const GIB = 2 ** 30;

test("constants beyond 2 GiB have their places in the file, and are read only to write it", async () => {
  const read: string[] = [];
  const constants = ["a", "b", "c"].map((name, index) => ({
    name,
    dims: [GIB + index, 3],
    type: "uint8" as const,
    read: async () => (read.push(name), Uint8Array.of(index)),
  }));
  const { model, parts, sizeBytes } = externalGraph(
    { name: "large", inputs: [], outputs: [], nodes: [], constants },
    "weights",
  );
  const places = fromBinary(ModelProtoSchema, model).graph!.initializer.map(({ externalData }) =>
    Object.fromEntries(externalData.map(({ key, value }) => [key, value])),
  );
  expect(places).toEqual([
    { location: "weights", offset: "0", length: String(3 * GIB) },
    { location: "weights", offset: String(3 * GIB), length: String(3 * GIB + 3) },
    { location: "weights", offset: String(6 * GIB + 4096), length: String(3 * GIB + 6) },
  ]);
  expect(parts.map(({ offset }) => String(offset))).toEqual(places.map(({ offset }) => offset));
  expect(sizeBytes).toBe(9 * GIB + 4096 + 6);
  expect(read).toEqual([]);
  expect(await parts[2]!.read()).toEqual(Uint8Array.of(2));
  expect(read).toEqual(["c"]);
});
