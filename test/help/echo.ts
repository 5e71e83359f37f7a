/**
 * When others answer through the overlay: every gateway runs one of these before its daemon.
 *
 *   bun echo.ts ADDRESS...     answers datagrams on port 9200, and asks one ADDRESS after the other, every 2 ms the next, until each
 *                              has answered; then prints a line: the address and when, in ms since the epoch
 */
import { createSocket } from "node:dgram";

const PORT = 9200;
const waiting = new Set(process.argv.slice(2));
const socket = createSocket("udp6");
socket.on("message", (text, from) => {
  if (text.toString() === "ask") socket.send("answer", from.port, from.address, () => {});
  else if (waiting.delete(from.address)) console.log(`${from.address} ${performance.timeOrigin + performance.now()}`);
});
socket.on("error", () => {}); // nothing leads there yet
socket.bind(PORT, "::", () => {
  setInterval(() => {
    const [next] = waiting;
    if (next === undefined) return;
    waiting.delete(next);
    waiting.add(next); // behind the others
    socket.send("ask", PORT, next, () => {});
  }, 2);
});
