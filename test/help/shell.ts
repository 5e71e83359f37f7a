/** Runs programs for the demo and the tests: output captured, failures carry what the program said. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function run(command: readonly string[], stdin?: Uint8Array): Promise<Result> {
  const child = Bun.spawn([...command], { stdin: stdin ?? "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** Standard output of a program that must succeed. */
export async function must(command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command);
  if (code !== 0) throw new Error(`\`${command.join(" ")}\` ended with ${code}: ${(stderr || stdout).trim()}`);
  return stdout;
}

/**
 * Milliseconds. How long to wait for what takes a second on a machine of one's own: others may have its cores for a while, and a limit
 * that they can reach says nothing of what is tested. Tests have none of their own for the same reason, but that of the run.
 */
export const PATIENCE = 180_000;

/** Polls until `ready` gives something; the error says what was waited for. */
export async function until<T>(what: string, limitMs: number, ready: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await ready();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`waited ${limitMs / 1000} s in vain for ${what}`);
    await Bun.sleep(50);
  }
}
