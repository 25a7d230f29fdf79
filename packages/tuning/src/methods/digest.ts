import { sha256 } from "../sha256.ts";
import type { CodedLayers } from "./method.ts";

/** Names a plan by its layers and tables. */
export const digestOf = async ({ layers, assets = [] }: CodedLayers): Promise<string> => {
  const tables = await Promise.all(
    assets.map(async ({ name, dtype, shape, data }) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
      return { name, dtype, shape, sha256: await sha256(bytes) };
    }),
  );
  return (await sha256(JSON.stringify({ layers, tables }))).slice(0, 16);
};
