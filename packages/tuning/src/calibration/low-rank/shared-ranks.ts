/** Ranks are multiples of this, so that a Hadamard transform mixes several channels. */
const STEP = 8;

/**
 * Ranks of tensors that keep a share of all channels: in proportion to the information of each (Palu's rank search), between one step and
 * all of its channels.
 *
 * @param tensors channels of a head, and the mean squared gradient of a number
 */
export const sharedRanks = (
  tensors: readonly { readonly size: number; readonly information: number }[],
  share: number,
): number[] => {
  const ranks = tensors.map(({ size }) => Math.min(STEP, size));
  const total = share * tensors.reduce((sum, { size }) => sum + size, 0);
  for (let used = ranks.reduce((sum, rank) => sum + rank, 0); used < total;) {
    const next = neediest(tensors, ranks);
    if (next < 0) break;
    const rank = Math.min(tensors[next]!.size, ranks[next]! + STEP);
    used += rank - ranks[next]!;
    if (used > total) break;
    ranks[next] = rank;
  }
  return ranks;
};

/** The tensor with the fewest channels for its information; -1 if all have all. */
const neediest = (
  tensors: readonly { readonly size: number; readonly information: number }[],
  ranks: readonly number[],
) => {
  let [best, most] = [-1, -Infinity];
  for (const [index, { size, information }] of tensors.entries()) {
    const need = information / ranks[index]!;
    if (ranks[index]! < size && need > most) [best, most] = [index, need];
  }
  return best;
};
