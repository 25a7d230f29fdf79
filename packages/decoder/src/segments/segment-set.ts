import type { InferenceSession } from "onnxruntime-common";
import { type DeferredGraph, readGraph, serializeGraph } from "../onnx/graph.ts";
import { runInto, type Tensors } from "../run-into.ts";
import type { CreateSession, Session, SessionOptions } from "../session.ts";
import { assertGraphSize } from "./graph-size.ts";
import type { SegmentFiles, SegmentModel } from "./segment-files.ts";

/** A segment that can be compiled. */
export interface SegmentSource {
  /** Unique among the segments of a decoder. */
  readonly name: string;
  readonly options: SessionOptions;
  /** Reads its weights. */
  build(): Promise<DeferredGraph>;
}

/** The segments of a decoder, by their index. */
export interface SegmentSet {
  readonly count: number;
  /** @param targets tensors to write outputs of their names into; other outputs are new */
  run(index: number, feeds: InferenceSession.FeedsType, targets?: Tensors): Promise<Tensors>;
  /** A segment as a model. Weights that are not in files are read again. */
  model(index: number): Promise<SegmentModel>;
  /** Releases all sessions. */
  release(): Promise<void>;
}

/** Called after each step. An exception from it ends the work. */
export type OnStep = (done: number, total: number) => void;

/** Compiles segments from memory; in sequence, so that only one segment's weights are in memory twice. */
export const compileSegments = async (
  sources: readonly SegmentSource[],
  createSession: CreateSession,
  onStep: OnStep = () => undefined,
): Promise<SegmentSet> => {
  const sessions: Session[] = [];
  for (const { build, options } of sources) {
    const graph = await build();
    assertGraphSize(graph);
    sessions.push(await createSession(serializeGraph(await readGraph(graph)), options));
    onStep(sessions.length, sources.length);
  }
  return {
    count: sources.length,
    run: async (index, feeds, targets) => runInto(sessions[index]!, feeds, targets),
    model: async (index) => ({ bytes: serializeGraph(await readGraph(await sources[index]!.build())) }),
    release: async () => void (await Promise.all(sessions.map((session) => session.release()))),
  };
};

/** Writes the segments whose files are missing, then opens them as {@link openOnUse} does. */
export const openSegments = async (
  sources: readonly SegmentSource[],
  files: SegmentFiles,
  resident: number | undefined,
  onStep: OnStep = () => undefined,
): Promise<SegmentSet> => {
  const total = resident === undefined ? 2 * sources.length : sources.length;
  for (const [index, { name, build }] of sources.entries()) {
    await files.write(name, build);
    onStep(index + 1, total);
  }
  const opens = sources.map(
    ({ name, options }) =>
      async () =>
        files.open(name, options),
  );
  const model: SegmentSet["model"] = async (index) => files.read(sources[index]!.name);
  return openOnUse(opens, model, resident, (done) => onStep(sources.length + done, total));
};

/**
 * Opens all segments now, or with `resident` each on use: beyond that number, the one used least recently is released. A
 * failure releases those opened so far.
 */
export const openOnUse = async (
  opens: readonly (() => Promise<Session>)[],
  model: SegmentSet["model"],
  resident: number | undefined,
  onStep: OnStep = () => undefined,
): Promise<SegmentSet> => {
  const set = { ...sessionsOnUse(opens, resident ?? Infinity), model };
  if (resident !== undefined) return set;
  try {
    // The largest first, while memory is empty: those of the head, which come last.
    for (let done = 0; done < opens.length; done++) {
      await set.use(opens.length - 1 - done, async () => undefined);
      onStep(done + 1, opens.length);
    }
    return set;
  } catch (error) {
    await set.release().catch(() => undefined);
    throw error;
  }
};

interface Opened {
  readonly session: Promise<Session>;
  users: number;
}

interface SessionsOnUse extends Omit<SegmentSet, "model"> {
  use<Result>(index: number, work: (session: Session) => Promise<Result>): Promise<Result>;
}

const sessionsOnUse = (opens: readonly (() => Promise<Session>)[], most: number): SessionsOnUse => {
  /** In the order of their last use. */
  const opened = new Map<number, Opened>();
  const releaseIdle = async (limit: number): Promise<void> => {
    for (const [index, { session, users }] of opened) {
      if (opened.size <= limit) return;
      if (users > 0) continue;
      opened.delete(index);
      await (await session).release();
    }
  };
  const taken = async (index: number): Promise<Opened> => {
    if (!opened.has(index)) await releaseIdle(most - 1);
    const one = opened.get(index) ?? { session: opens[index]!(), users: 0 };
    one.users++;
    opened.delete(index);
    opened.set(index, one);
    return one;
  };
  const use: SessionsOnUse["use"] = async (index, work) => {
    const one = await taken(index);
    try {
      return await work(await one.session);
    } catch (error) {
      // A session that failed to open is opened again by the next use.
      await one.session.catch(() => opened.delete(index));
      throw error;
    } finally {
      one.users--;
    }
  };
  return {
    count: opens.length,
    use,
    run: async (index, feeds, targets) => use(index, async (session) => runInto(session, feeds, targets)),
    release: async () => releaseIdle(0),
  };
};
