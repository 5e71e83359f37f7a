/** Mosquitto of Debian, on a port of its own and configured by nothing but its test; certificates for it by openssl. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must, PATIENCE, until } from "./shell.ts";

/** Debian keeps it outside a user's PATH. */
export const MOSQUITTO = Bun.which("mosquitto", { PATH: `${process.env.PATH}:/usr/sbin` });

export interface MosquittoTerms {
  readonly port: number;
  /** Lines for its configuration. */
  readonly lines?: readonly string[];
  /** Before the command: `ip netns exec …`. */
  readonly inside?: readonly string[];
  /** Where it is asked whether it listens. */
  readonly host?: string;
}

export class Mosquitto {
  readonly folder = mkdtempSync(join(tmpdir(), "trellis-mosquitto-"));
  readonly #terms: MosquittoTerms;
  #child: Bun.Subprocess | undefined;

  constructor(terms: MosquittoTerms) {
    this.#terms = terms;
  }

  /** Listens when it resolves. */
  async start(): Promise<void> {
    const { port, lines = ["allow_anonymous true"], inside = [], host = "127.0.0.1" } = this.#terms;
    const file = join(this.folder, "mosquitto.conf");
    // As whoever runs the test: otherwise root's becomes another user, who cannot read the folder.
    const user = process.getuid?.() === 0 ? ["user root"] : [];
    writeFileSync(file, [`listener ${port} ${inside.length > 0 ? "" : host}`, ...user, ...lines, ""].join("\n"));
    const log = Bun.file(join(this.folder, "log"));
    const child = Bun.spawn([...inside, MOSQUITTO as string, "-c", file], { stdout: log, stderr: log });
    this.#child = child;
    const ready =
      inside.length > 0 ? (): Promise<boolean> => listens(inside, port) : (): Promise<boolean> => takes(port);
    await until("mosquitto", PATIENCE, async () => {
      if (child.exitCode !== null) throw new Error(`mosquitto ended: ${await log.text()}`);
      return (await ready()) || undefined;
    });
  }

  /** Dies without a word to anybody. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.exited;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const takes = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

const listens = async (inside: readonly string[], port: number): Promise<boolean> =>
  (await must([...inside, "ss", "-Hltn", `sport = :${port}`])) !== "";

/** An authority in `folder`, a server's certificate for `names`, and a client's: `ca.pem`, `server.pem`, `client.pem` and their keys. */
export async function certificates(folder: string, names: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const ca = ["-addext", "basicConstraints=critical,CA:TRUE", "-subj", "/CN=test authority", "-days", "2"];
  await must(["openssl", "req", "-x509", ...made, ...ca, "-keyout", at("ca.key"), "-out", at("ca.pem")]);
  for (const name of ["server", "client"]) {
    const subject = ["-subj", `/CN=${name}`, "-keyout", at(`${name}.key`), "-out", at(`${name}.csr`)];
    await must(["openssl", "req", ...made, ...subject]);
    writeFileSync(at(`${name}.ext`), name === "server" ? `subjectAltName=${names}\n` : "extendedKeyUsage=clientAuth\n");
    const signed = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2"];
    const files = ["-in", at(`${name}.csr`), "-out", at(`${name}.pem`), "-extfile", at(`${name}.ext`)];
    await must(["openssl", "x509", "-req", ...files, ...signed]);
  }
}
