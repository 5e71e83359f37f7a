/** A cluster of Debian's nats-server on this machine, with MQTT by TLS, client certificates wanted, and one address in front of its nodes. */
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

/** Debian keeps it outside a user's PATH. */
export const NATS = Bun.which("nats-server", { PATH: `${process.env.PATH}:/usr/sbin` });

export class NatsCluster {
  readonly #nodes: { readonly port: number; readonly child: Bun.Subprocess }[] = [];
  readonly #balancers: Server[] = [];

  /** `folder` has `ca.pem`, `server.pem` and `server.key`. */
  static async start(nodes: number, folder: string): Promise<NatsCluster> {
    const cluster = new NatsCluster();
    const routes = await Promise.all(Array.from({ length: nodes }, freePort));
    const all = routes.map((port) => `"nats-route://127.0.0.1:${port}"`).join(", ");
    const at = (file: string): string => JSON.stringify(join(folder, file));
    const tls = `tls { ca_file: ${at("ca.pem")}, cert_file: ${at("server.pem")}, key_file: ${at("server.key")}, verify: true }`;
    for (const [i, route] of routes.entries()) {
      const [port, clients] = [await freePort(), await freePort()];
      mkdirSync(join(folder, `store${i}`));
      const lines = [
        `server_name: node${i}`,
        `listen: "127.0.0.1:${clients}"`,
        `jetstream { store_dir: ${at(`store${i}`)} }`,
        `mqtt { listen: "127.0.0.1:${port}", ${tls} }`,
        `cluster { name: test, listen: "127.0.0.1:${route}", routes: [${all}] }`,
      ];
      const file = join(folder, `node${i}.conf`);
      writeFileSync(file, lines.join("\n"));
      const log = Bun.file(join(folder, `node${i}.log`));
      const child = Bun.spawn([NATS as string, "-c", file], { stdout: log, stderr: log });
      cluster.#nodes.push({ port, child });
    }
    return cluster;
  }

  /** One address that leads to the first of these nodes that takes connections. Gives its port. */
  async balance(...order: readonly number[]): Promise<number> {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      const attempt = ([first, ...rest]: readonly number[]): void => {
        if (first === undefined) return void socket.destroy();
        const onward = connect({ host: "127.0.0.1", port: this.#nodes[first]?.port as number });
        onward.once("error", () => (onward.readyState === "open" ? socket.destroy() : attempt(rest)));
        onward.once("connect", () => {
          socket.pipe(onward).pipe(socket);
          onward.on("close", () => socket.destroy());
          socket.on("close", () => onward.destroy());
        });
      };
      attempt(order);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#balancers.push(server);
    return (server.address() as { port: number }).port;
  }

  async kill(node: number): Promise<void> {
    this.#nodes[node]?.child.kill("SIGKILL");
    await this.#nodes[node]?.child.exited;
  }

  async remove(): Promise<void> {
    for (const server of this.#balancers) server.close();
    for (let i = 0; i < this.#nodes.length; i++) await this.kill(i);
  }
}
