const LEFT_BITS = 10;
const MOST_TASKS = 2 ** LEFT_BITS - 1;
const TASK_WORDS = 8;
const FAILURE = 16;
const FAILURE_LENGTH = 200;
const FIRST_TASK = FAILURE + FAILURE_LENGTH + 1;

/** Kernels that a thread can run as a task. Arguments: the scratch, then up to eight numbers. */
export type TaskKernel = "attend" | "attendPart";

/**
 * Shared memory of a crew: indices into an Int32Array, which workers receive.
 *
 * `state` holds the job's number above `leftMask` and its unclaimed tasks below. A claim exchanges the whole word, so what
 * was read of a job belongs to that job. Everything else about a job is written before `state`.
 */
export interface Words {
  readonly state: number;
  readonly leftMask: number;
  /** Finished tasks of the job. */
  readonly done: number;
  /** Messages sent to each worker. */
  readonly mail: number;
  /** Whether a worker failed at a task of the job. The reason is then at `failure`, in UTF-16, up to a 0. */
  readonly failed: number;
  readonly failure: number;
  readonly failureLength: number;
  /** The job's tasks, the number of its arena, and the index of its kernel in `kernels`. */
  readonly tasks: number;
  readonly arena: number;
  readonly kernel: number;
  readonly kernels: readonly TaskKernel[];
  /** Thread `lane` has its scratch at `scratch + lane * scratchStep`. */
  readonly scratch: number;
  readonly scratchStep: number;
  readonly firstTask: number;
  readonly taskWords: number;
  /**
   * How long a worker polls for the next job before it sleeps. Waking one takes about as long. A decoder's other work takes
   * longer and needs the cores.
   */
  readonly spinMs: number;
}

export const WORDS: Words = {
  state: 0,
  leftMask: MOST_TASKS,
  done: 1,
  mail: 2,
  failed: 3,
  failure: FAILURE,
  failureLength: FAILURE_LENGTH,
  tasks: 4,
  arena: 5,
  kernel: 6,
  kernels: ["attend", "attendPart"],
  scratch: 7,
  scratchStep: 8,
  firstTask: FIRST_TASK,
  taskWords: TASK_WORDS,
  spinMs: 0.05,
};

/** The words of a new crew. */
export const createControl = (): Int32Array<SharedArrayBuffer> =>
  new Int32Array(new SharedArrayBuffer(4 * (FIRST_TASK + TASK_WORDS * MOST_TASKS)));

/** Writes everything about a job except its state. */
export const writeJob = (control: Int32Array, job: Job): void => {
  control[WORDS.tasks] = job.tasks.length;
  control[WORDS.arena] = job.arenaId;
  control[WORDS.kernel] = WORDS.kernels.indexOf(job.kernel);
  control[WORDS.scratch] = job.scratch;
  control[WORDS.scratchStep] = job.scratchStep;
  for (const [index, task] of job.tasks.entries()) control.set(task, FIRST_TASK + index * TASK_WORDS);
};

/** Tasks of one kernel that may run in any order and in parallel. */
export interface Job {
  readonly arenaId: number;
  readonly kernel: TaskKernel;
  /** The kernel's arguments after the scratch. */
  readonly tasks: readonly (readonly number[])[];
  /** Address of the first thread's scratch, and the distance to the next thread's. */
  readonly scratch: number;
  readonly scratchStep: number;
}

/** Why a worker failed. */
export const readFailure = (control: Int32Array): string => {
  const end = control.indexOf(0, WORDS.failure);
  return String.fromCharCode(...control.subarray(WORDS.failure, end));
};
