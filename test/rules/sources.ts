/** What the rules read: the files that git tracks or would track. */
const list = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"]).stdout.toString();
export const TRACKED: readonly string[] = list
  .split("\n")
  .filter((f) => f !== "" && !f.startsWith("test/vectors/data/"));

export const SOURCES: readonly string[] = TRACKED.filter((f) => /^(runtime|test|bench|native|bpf)\/.*\.ts$/.test(f));

export const textOf = (file: string): Promise<string> => Bun.file(file).text();

export const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:from |import\()"([^"]+)"/g)].map((m) => m[1] as string);
