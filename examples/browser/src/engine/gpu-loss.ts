/** Tokens until the GPU is lost. What computes on it may never end then, or end with anything. */
export const whileThere = async function* (
  tokens: AsyncIterable<number>,
  lost: Promise<never>,
): AsyncGenerator<number> {
  const each = tokens[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([lost, each.next()]);
    if (next.done === true) return;
    yield next.value;
  }
};

/** The GPU went away, and with it weights and cache. */
export class GpuLostError extends Error {
  constructor(cause: Error) {
    super(
      "expected the GPU to stay, it was taken away by the driver, the system or the browser; generate again, which loads the weights and reads the prompt anew",
      { cause },
    );
    this.name = "GpuLostError";
  }
}
