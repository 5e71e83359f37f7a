/**
 * Publishes retained values below `mesh/` for as long as it lives, over a new connection when one has ended: `bun test/help/mqtt-writer.ts PORT WRITER
 * KEYS WINDOW`. QoS 1 by MQTT 3.1.1; write i goes to `mesh/WRITER/(i % KEYS)` with its value of kill-values.ts, at most WINDOW wait for their
 * acknowledgement, which must be fewer than KEYS. Prints `ack i` for each that was acknowledged; what a connection left unacknowledged is not sent again.
 */
import { connect } from "node:net";
import mqtt from "mqtt-packet";
import { writtenBy } from "./kill-values.ts";

const [port, writer, keys, window] = process.argv.slice(2) as [string, string, string, string];
const IDS = 65_535;
const PAUSE = 20; // ms, before the next connection

let next = 0;

function serve(): void {
  const socket = connect({ host: "127.0.0.1", port: Number(port) });
  const waiting = new Map<number, number>();
  const parser = mqtt.parser({ protocolVersion: 4 });
  const fill = (): void => {
    while (waiting.size < Number(window)) {
      const messageId = (next % IDS) + 1;
      waiting.set(messageId, next);
      const topic = `mesh/${writer}/${next % Number(keys)}`;
      const payload = Buffer.from(writtenBy(writer, next++));
      socket.write(mqtt.generate({ cmd: "publish", topic, payload, messageId, qos: 1, retain: true, dup: false }));
    }
  };
  parser.on("packet", (packet) => {
    if (packet.cmd === "puback") {
      process.stdout.write(`ack ${waiting.get(packet.messageId as number)}\n`);
      waiting.delete(packet.messageId as number);
    }
    fill();
  });
  socket.on("connect", () => {
    const clientId = `${writer}-${process.pid}`;
    const hello = {
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 4,
      clientId,
      clean: true,
      keepalive: 0,
    } as const;
    socket.write(mqtt.generate(hello));
  });
  socket.on("data", (chunk: Buffer) => parser.parse(chunk));
  socket.on("error", () => {}); // `close` follows
  socket.on("close", () => setTimeout(serve, PAUSE));
}

serve();
