import type { CallRows } from "@kvtuner/backend";
import type { LayerShape } from "@kvtuner/plan";
import type { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { inputPlaces } from "../device/workspace.ts";

/** Moves rows `first .. first + count - 1` of a call into the workspace's inputs before the commands run. */
export type RowsOfCall = (commands: Commands, first: number, count: number) => void;

/** Uploads rows of tensors on the CPU. */
export const uploadedRows =
  (engine: Engine, shape: LayerShape, { tokens, query, key, value }: CallRows): RowsOfCall =>
  (_commands, first, count) => {
    const places = inputPlaces(shape, engine.limits);
    for (const [rows, place] of [
      [query, places.query],
      [key, places.key],
      [value, places.value],
    ] as const) {
      const width = rows.length / tokens;
      const numbers = rows as Float32Array<ArrayBuffer>;
      if (width > 0)
        engine.device.queue.writeBuffer(
          engine.workspace.get("inputs").gpu,
          4 * place,
          numbers,
          first * width,
          count * width,
        );
    }
  };
