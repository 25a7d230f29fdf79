// The process in which llama.cpp runs for a benchmark (process.ts starts it).
import { serveLlamaCpp } from "./child.ts";

await serveLlamaCpp();
process.exit(0); // llama.cpp's threads would keep the process alive
