/**
 * Publishes to a broker as fast as it acknowledges: `bun test/help/mqtt-load.ts HOST PORT PREFIX KEYS BYTES MESSAGES WINDOW [retain]`. QoS 1 by MQTT
 * 3.1.1; at most WINDOW messages wait for their acknowledgement. Prints `ack N` for each that was acknowledged, in order; MESSAGES 0 goes on for ever.
 * Message i goes to PREFIX`i % KEYS` and begins with i as text.
 */
import { connect } from "node:net";

const [host, port, prefix, keys, bytes, messages, window, retain] = process.argv.slice(2) as string[];
const COUNT = Number(messages) || Number.POSITIVE_INFINITY;
const text = (s: string): Buffer => {
  const body = Buffer.from(s);
  return Buffer.concat([Buffer.from([body.length >> 8, body.length & 255]), body]);
};

function packet(first: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  for (let left = body.length; ; left >>= 7) {
    length.push(left > 127 ? (left & 127) | 128 : left);
    if (left <= 127) break;
  }
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

/** Packet identifiers are 1 to 65,535. */
const idOf = (i: number): Buffer => {
  const id = (i % 65_535) + 1;
  return Buffer.from([id >> 8, id & 255]);
};

const socket = connect({ host: host as string, port: Number(port) });
let [sent, acknowledged] = [0, 0];
let started = false;

function fill(): void {
  while (started && sent < COUNT && sent - acknowledged < Number(window) && socket.writableLength < 4 * 1024 ** 2) {
    const payload = Buffer.alloc(Number(bytes), `${sent} `);
    socket.write(
      packet(retain === "retain" ? 0x33 : 0x32, text(`${prefix}${sent % Number(keys)}`), idOf(sent), payload),
    );
    sent++;
  }
}

let rest: Buffer = Buffer.alloc(0);
socket.on("data", (chunk: Buffer) => {
  rest = Buffer.concat([rest, chunk]);
  let out = "";
  while (rest.length >= 4) {
    const type = (rest[0] as number) >> 4;
    if (type === 2) started = true;
    else if (type === 4) out += `ack ${acknowledged++}\n`;
    else throw new Error(`an answer of type ${type}`);
    rest = rest.subarray(4); // both have four bytes
  }
  if (out !== "") process.stdout.write(out);
  if (acknowledged === COUNT) process.exit(0);
  fill();
});
socket.on("drain", fill);
socket.on("close", () => process.exit(1));
socket.on("error", () => process.exit(1));
const clientId = `load-${process.pid}`;
socket.write(packet(0x10, text("MQTT"), Buffer.from([4, 2, 0, 0]), text(clientId)));
