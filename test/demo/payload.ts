/** The demo's file: random bytes, and the hash of what arrived. */
export async function fillRandom(path: string, megabytes: number): Promise<void> {
  const writer = Bun.file(path).writer();
  const block = new Uint8Array(1_000_000);
  for (let i = 0; i < megabytes; i++) {
    for (let at = 0; at < block.length; at += 65_536) crypto.getRandomValues(block.subarray(at, at + 65_536));
    writer.write(block.slice());
    await writer.flush();
  }
  await writer.end();
}

export async function sha256Of(path: string): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hash.update(chunk);
  return hash.digest("hex");
}
