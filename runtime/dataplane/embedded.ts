/**
 * Files that `just build` puts inside the executable. Its generated entry point says where they are before anything else
 * runs; a source tree has none and uses `build/`.
 */
export interface EmbeddedFiles {
  /** The addon, for the machine the executable was made for. */
  readonly addon: string;
  /** The object of `bpf/ingress.bpf.c`. */
  readonly ingress: string;
  /** The object of `bpf/steering.bpf.c`. */
  readonly steering: string;
  /** The objects of `bpf/relay_tc.bpf.c` and `bpf/relay_xdp.bpf.c`. */
  readonly relayTc: string;
  readonly relayXdp: string;
  /** The object of `bpf/mesh.bpf.c`. */
  readonly mesh: string;
}

let files: EmbeddedFiles | undefined;

export function embed(what: EmbeddedFiles): void {
  files = what;
}

export const embeddedFiles = (): EmbeddedFiles | undefined => files;
