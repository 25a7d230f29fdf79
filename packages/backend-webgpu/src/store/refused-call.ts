import { TensorError } from "@kvtuner/backend";
import type { SentCall } from "./attend-call.ts";

/**
 * Waits until the device has accepted or rejected a call. A rejected call leaves the layer unchanged: its pieces all read
 * the same buffers, so none of them ran.
 *
 * @throws TensorError `BACKEND_TENSOR_BUFFER`
 */
export const assertTaken = async ({ layer, lengthBefore, refusal }: SentCall): Promise<void> => {
  const error = await refusal;
  if (!error) return;
  layer.length = Math.min(layer.length, lengthBefore);
  throw new TensorError(
    "BACKEND_TENSOR_BUFFER",
    `the GPU rejected the previous call: ${error.message}; its output is void and the layer is unchanged; pass buffers of the backend's own device that are not destroyed`,
    { cause: error },
  );
};
