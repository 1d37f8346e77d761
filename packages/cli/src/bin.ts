#!/usr/bin/env node
import { main } from "./main.ts";

const exit = await main(process.argv.slice(2));
// Open standard input or a half-read answer must not hold the process; output is written by now.
process.exit(exit);
