/** A directory of small files, each written whole or not at all. */
export interface Files {
  /** The content, or undefined when there is no such file. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** Durable when it resolves; until then, and whatever happens, the old content stays whole. */
  write(name: string, content: Uint8Array): Promise<void>;
  /** Durable too; nothing happens when there is no such file. */
  remove(name: string): Promise<void>;
  /** Names in order. */
  list(): Promise<readonly string[]>;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/** No path, no hidden file, none that looks like a temporary one. */
export const isFileName = (name: string): boolean => NAME.test(name) && !name.endsWith(".tmp");
