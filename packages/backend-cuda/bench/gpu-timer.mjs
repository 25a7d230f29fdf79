// Times work by the GPU's own clock, with driver events before and after it.
//
// A GPU that finishes before the next launch arrives waits for the host, and events count that wait. So the GPU first gets other
// work, long enough for the host to launch everything that is timed. The first event says whether it was long enough.
import { loadLibrary } from "../src/driver/load-library.ts";
import { driverLibraryNames } from "../src/driver/open-driver.ts";

const PROTOTYPES = {
  cuEventCreate: "int cuEventCreate(void *event, uint32_t flags)",
  cuEventDestroy_v2: "int cuEventDestroy_v2(uint64_t event)",
  cuEventRecord: "int cuEventRecord(uint64_t event, uint64_t stream)",
  cuEventQuery: "int cuEventQuery(uint64_t event)",
  cuEventSynchronize: "int cuEventSynchronize(uint64_t event)",
  cuEventElapsedTime: "int cuEventElapsedTime(void *timeMs, uint64_t from, uint64_t to)",
  cuMemsetD8Async: "int cuMemsetD8Async(uint64_t to, uint8_t byte, size_t size, uint64_t stream)",
};

/** The driver's result for an event that the GPU has not come to. */
const NOT_READY = 600;

const STREAM = 0;

/** To fill so much takes a GPU several times as long as it takes the host to ask for it. */
const FILL_BYTES = 2 ** 26;
const FIRST_FILLS = 4;
const MOST_FILLS = 512;

const checked = (name, result) => {
  if (result !== 0) throw new Error(`expected the driver to time kernels, ${name} gave ${result}`);
};

/** Whose results are looked at, or do not matter: on a device that is lost events go with it. */
const UNCHECKED = ["cuEventQuery", "cuEventDestroy_v2"];

/** Functions of the driver that is loaded already; others than those throw for a result that is not success. */
const timingFunctions = async () => {
  const library = await loadLibrary(driverLibraryNames());
  const functions = Object.entries(PROTOTYPES).map(([name, prototype]) => {
    const call = library.func(prototype);
    return [name, UNCHECKED.includes(name) ? call : (...argv) => checked(name, call(...argv))];
  });
  return Object.fromEntries(functions);
};

const newEvent = (driver) => {
  const event = new BigUint64Array(1);
  driver.cuEventCreate(event, 0);
  return event[0];
};

const isPast = (driver, event) => {
  const result = driver.cuEventQuery(event);
  if (result !== NOT_READY) checked("cuEventQuery", result);
  return result !== NOT_READY;
};

const elapsedMs = (driver, from, to) => {
  const timeMs = new Float32Array(1);
  driver.cuEventElapsedTime(timeMs, from, to);
  return timeMs[0];
};

/** A timer of what is launched on a device, whose context is current. */
export const createGpuTimer = async (gpu) => {
  const driver = await timingFunctions();
  const filled = gpu.allocate(FILL_BYTES);
  const [begin, end] = [newEvent(driver), newEvent(driver)];
  const timeBehind = (fills, launch) => {
    for (let fill = 0; fill < fills; fill++) driver.cuMemsetD8Async(filled.address, 0, FILL_BYTES, STREAM);
    driver.cuEventRecord(begin, STREAM);
    const started = performance.now();
    launch();
    const hostMs = performance.now() - started;
    driver.cuEventRecord(end, STREAM);
    const isHostAhead = !isPast(driver, begin);
    driver.cuEventSynchronize(end);
    return { gpuMs: elapsedMs(driver, begin, end), hostMs, isHostAhead };
  };
  return {
    /** Milliseconds on the GPU, and of the host; where the host was not ahead, the GPU's are with what it waited. */
    time: (launch) => {
      for (let fills = FIRST_FILLS; ; fills *= 2) {
        const times = timeBehind(fills, launch);
        if (times.isHostAhead || fills >= MOST_FILLS) return times;
      }
    },
    dispose: () => {
      for (const event of [begin, end]) driver.cuEventDestroy_v2(event);
      gpu.free(filled);
    },
  };
};
