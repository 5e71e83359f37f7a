/** Reading what was just written from the medium itself, not from the memory that remembers writing it. */
import { dlopen } from "bun:ffi";
import { open } from "node:fs/promises";

const POSIX_FADV_DONTNEED = 4;

/** The file's content. The kernel drops what it has cached of the file first, as far as the file system lets it. */
export async function readBack(path: string): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    await file.sync(); // only clean pages are dropped
    fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED); // advice: what it does not do costs certainty about the medium, nothing else
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

function fadvise(fd: number, offset: number, length: number, advice: number): number {
  const { symbols, close } = dlopen("libc.so.6", {
    posix_fadvise: { args: ["i32", "i64", "i64", "i32"], returns: "i32" },
  });
  const result = symbols.posix_fadvise(fd, offset, length, advice);
  close();
  return result;
}
