import type { OnProgress, Progress, Step } from "@kvtuner/tuning";
import type { Terminal } from "./terminal.ts";

const LABELS: Record<Step, string> = {
  download: "downloading MB",
  load: "loading model",
  prefill: "reading the prompt",
  calibrate: "writing calibration text",
  tables: "computing tables",
  trace: "tracing attention",
  profile: "profiling layers",
  measure: "checking estimates",
  search: "evaluating plans",
  verify: "running the picked plan",
  float: "evaluating the float cache",
  evaluate: "evaluating plan",
  fill: "filling caches",
  time: "timing",
};

const BAR_WIDTH = 24;
const PLAIN_INTERVAL_MS = 10_000;

/** Shows progress: a bar with the time left on a live terminal, occasional lines elsewhere, nothing when quiet. */
export const progressView = (
  terminal: Terminal,
  quiet: boolean,
): { readonly show: OnProgress; readonly end: () => void } => {
  if (quiet) return { show: () => undefined, end: () => undefined };
  return terminal.live ? liveView(terminal) : plainView(terminal);
};

const liveView = (terminal: Terminal): { show: OnProgress; end: () => void } => {
  const timer = stepTimer();
  let drawn = false;
  return {
    show: (progress) => {
      const filled = Math.round((BAR_WIDTH * progress.done) / Math.max(1, progress.total));
      const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
      terminal.eraseLine();
      terminal.error(`${bar} ${describe(progress)}${timer.left(progress)}`);
      drawn = true;
    },
    end: () => {
      if (drawn) terminal.eraseLine();
    },
  };
};

const plainView = (terminal: Terminal): { show: OnProgress; end: () => void } => {
  const timer = stepTimer();
  let last: { step: Step; done: number; time: number } | undefined;
  return {
    show: (progress) => {
      const { step, done, total } = progress;
      const time = performance.now();
      const left = timer.left(progress);
      const isNew = last?.step !== step || last.done !== done;
      const due = last?.step !== step || time - last.time >= PLAIN_INTERVAL_MS || done === total;
      if (!isNew || !due) return;
      last = { step, done, time };
      terminal.error(`${describe(progress)}${left}\n`);
    },
    end: () => undefined,
  };
};

const describe = ({ step, done, total, note }: Progress): string =>
  `${LABELS[step]} ${done}/${total}${note === undefined ? "" : `, ${note}`}`;

/** Time left of a step, from its speed since the first report, because what a resumed run skips took no time. */
const stepTimer = (): { left(progress: Progress): string } => {
  let start: { step: Step; time: number; done: number } | undefined;
  return {
    left: ({ step, done, total }) => {
      const time = performance.now();
      if (start?.step !== step) start = { step, time, done };
      const gained = done - start.done;
      if (gained <= 0 || done >= total) return "";
      return `, ${duration(((time - start.time) / gained) * (total - done))} left`;
    },
  };
};

const duration = (timeMs: number): string => {
  const seconds = Math.round(timeMs / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};
