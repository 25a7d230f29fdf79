import { ModelError } from "./model-error.ts";
import type { WeightSource } from "./weights.ts";

/**
 * The source, which rejects numbers that are NaN or infinite: a model would turn them into results that mean nothing, after a long
 * run. Weights in files of segments are checked once, when these are written.
 *
 * @throws ModelError `MODEL_NOT_FINITE` naming the tensor
 */
export const finiteWeights = (source: WeightSource): WeightSource => ({
  metadata: source.metadata,
  tensors: source.tensors,
  readTensor: async (name) => checked(name, await source.readTensor(name)),
  readTensorRows: async (name, rows) => checked(name, await source.readTensorRows(name, rows)),
  ...(source.readTensorBlocks && {
    readTensorBlocks: async (name, from, to) => {
      const blocks = await source.readTensorBlocks!(name, from, to);
      if (blocks) for (const numbers of [blocks.scales, blocks.offsets ?? []]) checked(name, numbers);
      return blocks;
    },
  }),
});

const checked = <Numbers extends ArrayLike<number>>(name: string, numbers: Numbers): Numbers => {
  // Without a branch for each number: 0 unless one of them is NaN or infinite.
  let sum = 0;
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index]!;
    sum += number - number;
  }
  if (sum === 0) return numbers;
  throw new ModelError(
    "MODEL_NOT_FINITE",
    `expected finite weights, got NaN or infinity in tensor ${name}; the file is damaged or its conversion overflowed: download it again, or convert the model again`,
  );
};
