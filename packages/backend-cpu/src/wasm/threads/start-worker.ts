/** A worker, in Node or in a browser. */
export interface KernelWorker {
  readonly post: (message: unknown) => void;
  /** Whether the worker keeps the program alive; no effect in a browser. */
  readonly keepAlive: (keep: boolean) => void;
  readonly end: () => Promise<void>;
}

/** Events of a worker. */
export interface WorkerListener {
  readonly message: (message: { readonly error?: string }) => void;
  /** The worker ended unasked, or never started. */
  readonly death: (cause: Error) => void;
}

/** Starts a worker from the text of its program. */
export const startWorker = (source: string, listener: WorkerListener): KernelWorker => {
  const nodeThreads = findNodeThreads();
  return nodeThreads ? startInNode(nodeThreads, source, listener) : startInBrowser(source, listener);
};

/** Whether the environment has workers and memory that they can share. */
export const hasThreads = (): boolean =>
  typeof SharedArrayBuffer === "function" && (findNodeThreads() !== undefined || typeof Worker === "function");

interface NodeWorker {
  on(event: "message", listener: WorkerListener["message"]): void;
  on(event: "error", listener: (cause: Error) => void): void;
  on(event: "exit", listener: (code: number) => void): void;
  postMessage(message: unknown, transfer: readonly never[]): void;
  ref(): void;
  unref(): void;
  terminate(): Promise<number>;
}

interface NodeThreads {
  readonly Worker: new (source: string, options: object) => NodeWorker;
}

/** Not imported, because a bundler for browsers would look for it. */
const findNodeThreads = (): NodeThreads | undefined => {
  const { process } = globalThis as { readonly process?: { getBuiltinModule?: (name: string) => unknown } };
  return process?.getBuiltinModule?.("node:worker_threads") as NodeThreads | undefined;
};

/** Without the program's loaders and variables, which are slow to load and not needed. */
const startInNode = ({ Worker: Thread }: NodeThreads, source: string, listener: WorkerListener): KernelWorker => {
  const worker = new Thread(source, { eval: true, execArgv: [], env: {}, name: "kvtuner-kernels" });
  let ended = false;
  worker.on("message", listener.message);
  worker.on("error", listener.death);
  worker.on("exit", (code) => {
    if (!ended) listener.death(new Error(`the worker exited with code ${code}`));
  });
  return {
    post: (message) => worker.postMessage(message, []),
    keepAlive: (keep) => (keep ? worker.ref() : worker.unref()),
    end: async () => {
      ended = true;
      await worker.terminate();
    },
  };
};

const startInBrowser = (source: string, listener: WorkerListener): KernelWorker => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url, { name: "kvtuner-kernels" });
  worker.addEventListener("message", ({ data }) => {
    URL.revokeObjectURL(url);
    listener.message(data as { readonly error?: string });
  });
  worker.addEventListener("error", (event) => listener.death(new Error(event.message)));
  return {
    post: (message) => worker.postMessage(message, []),
    keepAlive: () => undefined,
    end: async () => worker.terminate(),
  };
};
