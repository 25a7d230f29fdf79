/** Channels of one KV head: by channel, and by width as listed, what the channel loses. Falls as widths rise. */
export type HeadDistortions = readonly ArrayLike<number>[];

/** KV heads whose tokens take the same bits each, such as those of the keys of one layer. */
export interface WidthGroup {
  readonly heads: readonly HeadDistortions[];
  /** Coded tokens that the layer holds: what a bit of a token costs. */
  readonly tokens: number;
}

/** What widths are chosen within. */
export interface WidthBudget {
  /** Widths that a channel may have, in bits, ascending from 0. */
  readonly widths: readonly number[];
  /** Most bits of all codes: bits of a token, times tokens, over all heads of all groups. */
  readonly bits: number;
}

/**
 * Chooses bits for every channel of every group so that the sum of distortions is least. Takes the steps that save most per bit
 * first, as reverse water-filling does: the result is optimal for the bits that it takes, up to the last steps that still fit.
 *
 * @returns by group and head, the width of every channel
 */
export const allocateWidths = (groups: readonly WidthGroup[], { widths, bits }: WidthBudget): Uint8Array[][] => {
  const paths = groups.map(({ heads }) => heads.map((channels) => headPath(channels, widths)));
  const tokenBits = groups.map(() => 0);
  let left = bits;
  for (const { group, from, to } of stepsOf(groups, paths)) {
    const cost = (to - from) * groups[group]!.heads.length * groups[group]!.tokens;
    if (cost > left || tokenBits[group] !== from) continue;
    tokenBits[group] = to;
    left -= cost;
  }
  return paths.map((own, group) => own.map(({ widthsAt }) => widthsAt(tokenBits[group]!)));
};

/** A rise of a group's bits per token, on the lower convex hull of its losses. */
interface GroupStep {
  readonly group: number;
  readonly from: number;
  readonly to: number;
  /** Distortion saved for each bit that is stored. */
  readonly saving: number;
}

const stepsOf = (groups: readonly WidthGroup[], paths: readonly (readonly HeadPath[])[]): GroupStep[] =>
  paths
    .flatMap((own, group) => {
      const { heads, tokens } = groups[group]!;
      const most = Math.max(0, ...own.map(({ losses }) => losses.length - 1));
      const points = Array.from({ length: most + 1 }, (_, bits) => ({
        bits,
        loss: own.reduce((sum, { losses }) => sum + losses[Math.min(bits, losses.length - 1)]!, 0),
      }));
      return hullSteps(points).map(({ from, to, saving }) => ({
        group,
        from,
        to,
        saving: saving / (heads.length * tokens),
      }));
    })
    .toSorted((one, other) => other.saving - one.saving);

/** The losses of a head at every number of bits per token, and the widths that give them. */
interface HeadPath {
  readonly losses: readonly number[];
  widthsAt(bits: number): Uint8Array;
}

const headPath = (channels: HeadDistortions, widths: readonly number[]): HeadPath => {
  const steps = channels
    .flatMap((own, channel) =>
      hullSteps(widths.map((bits, index) => ({ bits, loss: own[index]! }))).map((step) => ({ channel, ...step })),
    )
    .toSorted((one, other) => other.saving - one.saving);
  const widthsAt = (bits: number): Uint8Array => {
    const chosen = new Uint8Array(channels.length);
    let left = bits;
    for (const { channel, from, to } of steps) {
      if (to - from > left || chosen[channel] !== from) continue;
      chosen[channel] = to;
      left -= to - from;
    }
    return chosen;
  };
  const most = steps.reduce((sum, { from, to }) => sum + to - from, 0);
  const lossAt = (bits: number): number =>
    widthsAt(bits).reduce((sum, width, channel) => sum + channels[channel]![widths.indexOf(width)]!, 0);
  return { losses: Array.from({ length: most + 1 }, (_, bits) => lossAt(bits)), widthsAt };
};

interface HullStep {
  readonly from: number;
  readonly to: number;
  readonly saving: number;
}

/** The falling steps of the lower convex hull of points, which are in the order of their bits. */
const hullSteps = (points: readonly { readonly bits: number; readonly loss: number }[]): HullStep[] => {
  const steps: HullStep[] = [];
  let at = 0;
  for (;;) {
    let best: { readonly place: number; readonly saving: number } | undefined;
    for (let place = at + 1; place < points.length; place++) {
      const saving = (points[at]!.loss - points[place]!.loss) / (points[place]!.bits - points[at]!.bits);
      if (saving > 0 && (best === undefined || saving >= best.saving)) best = { place, saving };
    }
    if (!best) return steps;
    steps.push({ from: points[at]!.bits, to: points[best.place]!.bits, saving: best.saving });
    at = best.place;
  }
};
