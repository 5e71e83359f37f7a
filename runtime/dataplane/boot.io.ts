import { readFileSync } from "node:fs";

/** Another one after each boot: then all settings of the kernel are as the system wants them, and nothing of ours is in it. */
export const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
