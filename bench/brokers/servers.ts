/** Brokers to measure, each of one node or several on this machine, on core 0 and configured by nothing but this file. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../../test/help/free-port.ts";
import { until } from "../../test/help/shell.ts";

export interface Cluster {
  /** MQTT ports, one for each node. */
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  kill(node: number): void;
  remove(): Promise<void>;
}
export type Start = (nodes: number, folder: string) => Promise<Cluster>;

const PINNED = ["taskset", "-c", "0"];
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
export const has = (program: string): boolean => Bun.which(program, { PATH }) !== null;

const freePorts = (count: number): Promise<number[]> => Promise.all(Array.from({ length: count }, freePort));

function spawn(
  folder: string,
  name: string,
  command: readonly string[],
  env: Record<string, string> = {},
): Bun.Subprocess {
  const log = Bun.file(join(folder, `${name}.log`));
  return Bun.spawn([...PINNED, ...command], { env: { ...process.env, PATH, ...env }, stdout: log, stderr: log });
}

async function cluster(
  ports: readonly number[],
  children: readonly Bun.Subprocess[],
  pids: readonly number[],
  folder: string,
): Promise<Cluster> {
  return {
    ports,
    pids,
    kill: (node) => void process.kill(pids[node] as number, "SIGKILL"),
    remove: async () => {
      for (const pid of pids)
        try {
          process.kill(pid, "SIGKILL");
        } catch {} // killed before
      for (const child of children) child.kill("SIGKILL");
      for (const child of children) await child.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const ours: Start = async (_, folder) => {
  const child = Bun.spawn([...PINNED, process.execPath, join(import.meta.dir, "../mqtt-broker.ts")], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  return cluster([Number(new TextDecoder().decode(value))], [child], [child.pid], folder);
};

export const mosquitto: Start = async (_, folder) => {
  const port = await freePort();
  const user = process.getuid?.() === 0 ? "user root\n" : "";
  writeFileSync(join(folder, "conf"), `listener ${port} 127.0.0.1\nallow_anonymous true\n${user}`);
  const child = spawn(folder, "mosquitto", ["mosquitto", "-c", join(folder, "conf")]);
  return cluster([port], [child], [child.pid], folder);
};

export const nats: Start = async (nodes, folder) => {
  const [mqtt, clients, routes] = [await freePorts(nodes), await freePorts(nodes), await freePorts(nodes)];
  const all = routes.map((port) => `"nats-route://127.0.0.1:${port}"`).join(", ");
  const children = mqtt.map((port, i) => {
    const lines = [
      `server_name: node${i}`,
      `listen: "127.0.0.1:${clients[i]}"`,
      `jetstream { store_dir: "${join(folder, `store${i}`)}" }`,
      `mqtt { listen: "127.0.0.1:${port}" }`,
      ...(nodes > 1 ? [`cluster { name: bench, listen: "127.0.0.1:${routes[i]}", routes: [${all}] }`] : []),
    ];
    writeFileSync(join(folder, `conf${i}`), lines.join("\n"));
    return spawn(folder, `nats${i}`, ["nats-server", "-c", join(folder, `conf${i}`)]);
  });
  const pids = children.map((c) => c.pid);
  return cluster(mqtt, children, pids, folder);
};

/** Nodes wait up to a minute otherwise, so that they do not all form a cluster of their own. */
const FORMATION = [
  "cluster_formation.peer_discovery_backend = classic_config",
  "cluster_formation.randomized_startup_delay_range.min = 0",
  "cluster_formation.randomized_startup_delay_range.max = 3",
];

export const rabbitmq: Start = async (nodes, folder) => {
  const [mqtt, amqp, dist] = [await freePorts(nodes), await freePorts(nodes), await freePorts(nodes)];
  const names = mqtt.map((_, i) => `node${i}@localhost`);
  writeFileSync(join(folder, ".erlang.cookie"), `bench${process.pid}`, { mode: 0o400 });
  writeFileSync(join(folder, "plugins"), "[rabbitmq_mqtt].");
  const epmd = await freePort();
  // Its own, and not one that outlives us.
  const mapper = spawn(folder, "epmd", ["epmd", "-port", `${epmd}`, "-address", "127.0.0.1"]);
  const children = names.map((name, i) => {
    const at = (file: string): string => join(folder, `${file}${i}`);
    const peers = names.map((peer, k) => `cluster_formation.classic_config.nodes.${k + 1} = ${peer}`);
    const lines = [
      `listeners.tcp.1 = 127.0.0.1:${amqp[i]}`,
      `mqtt.listeners.tcp.1 = 127.0.0.1:${mqtt[i]}`,
      "mqtt.allow_anonymous = true",
      ...(nodes > 1 ? [...FORMATION, ...peers] : []),
    ];
    writeFileSync(`${at("rabbit")}.conf`, `${lines.join("\n")}\n`);
    mkdirSync(at("data"));
    return spawn(folder, `rabbit${i}`, ["/usr/lib/rabbitmq/bin/rabbitmq-server"], {
      HOME: folder,
      ERL_EPMD_PORT: `${epmd}`,
      ERL_EPMD_ADDRESS: "127.0.0.1",
      RABBITMQ_CONF_ENV_FILE: "/dev/null",
      RABBITMQ_NODENAME: name,
      RABBITMQ_NODE_PORT: `${amqp[i]}`,
      RABBITMQ_DIST_PORT: `${dist[i]}`,
      RABBITMQ_CONFIG_FILE: at("rabbit"),
      RABBITMQ_MNESIA_BASE: at("data"),
      RABBITMQ_LOG_BASE: at("data"),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
      RABBITMQ_PID_FILE: at("pid"),
      // Schedulers that spin while they wait would be counted as work.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+sbwt none +sbwtdcpu none +sbwtdio none",
    });
  });
  const pids = await until("the nodes of RabbitMQ", 120_000, async () => {
    const read = names.map((_, i) => pidIn(join(folder, `pid${i}`)));
    return read.every((pid) => pid !== undefined) ? read : undefined;
  });
  return cluster(mqtt, [mapper, ...children], pids, folder);
};

function pidIn(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, "utf8"), 10) || undefined;
  } catch {
    return undefined;
  }
}
