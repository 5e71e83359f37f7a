/** How `just sim --scenario` tells the test runner's process which one to run, and with which seeds. */
export const ONLY = { scenario: "TRELLIS_SIM_SCENARIO", seeds: "TRELLIS_SIM_SEEDS" } as const;
