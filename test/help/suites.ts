/** The suites in the order in which they run. A check counts as one; a folder counts its tests. */
export interface Suite {
  readonly name: string;
  /** A command that passes or fails as one. */
  readonly check?: readonly string[];
  /** A folder of tests. */
  readonly folder?: string;
  /** Whether its line coverage of the pure cores counts. */
  readonly covers?: boolean;
}

const bin = (name: string): string => `node_modules/.bin/${name}`;

export const SUITES: readonly Suite[] = [
  { name: "format", check: [bin("biome"), "format", "."] },
  { name: "lint", check: [bin("biome"), "lint", "--error-on-warnings", "."] },
  { name: "types", check: [bin("tsc"), "-p", "."] },
  { name: "rules", folder: "test/rules" },
  { name: "unit", folder: "test/unit", covers: true },
  { name: "vectors", folder: "test/vectors", covers: true },
  { name: "sim", folder: "test/sim", covers: true },
  { name: "bpf", folder: "test/bpf" },
  { name: "native", folder: "test/native" },
  { name: "loopback", folder: "test/loopback" },
  { name: "netns", folder: "test/netns" },
  { name: "build", folder: "test/build" },
];
