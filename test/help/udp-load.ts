/** `bun udp-load.ts ADDRESS PORT`: UDP datagrams of 1,200 bytes, 32 every millisecond or as fast as it can, until it is ended. */
export {}; // a module: it awaits

const [address, port] = process.argv.slice(2) as [string, string];
const socket = await Bun.udpSocket({ hostname: "::", socket: { error() {} } });
const payload = new Uint8Array(1200);
for (;;) {
  for (let i = 0; i < 32; i++) {
    try {
      socket.send(payload, Number(port), address);
    } catch {
      // nobody listens there, and the kernel says so: the load is what counts
    }
  }
  await Bun.sleep(1);
}
