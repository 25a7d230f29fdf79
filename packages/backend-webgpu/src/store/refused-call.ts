import { TensorError } from "@kvtuner/backend";
import type { SentCall } from "./attend-call.ts";

/**
 * Waits until it is known whether the device takes a call. If it does not, the layer is what it was before: all pieces of a call
 * read the same buffers, so that none of them ran.
 *
 * @throws TensorError `BACKEND_TENSOR_BUFFER`
 */
export const assertTaken = async ({ layer, lengthBefore, refusal }: SentCall): Promise<void> => {
  const error = await refusal;
  if (!error) return;
  layer.length = Math.min(layer.length, lengthBefore);
  throw new TensorError(
    "BACKEND_TENSOR_BUFFER",
    `expected the GPU to take the commands of a call, it refused them: ${error.message}; the layer is as it was before that call, whose output is void; pass buffers of the backend's own device that are not destroyed`,
    { cause: error },
  );
};
