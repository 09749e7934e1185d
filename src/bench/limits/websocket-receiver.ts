/** The program of the process that counts WebSocket frames (see wire.ts): says its port, then when as many have come as it was told. */
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

let frames = 0;
let until = Number.POSITIVE_INFINITY;

const tell = (): void => {
  if (frames >= until) process.send!({ frames });
};

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('listening', () => process.send!({ port: (server.address() as AddressInfo).port }));
server.on('connection', (socket) => {
  socket.on('message', () => {
    frames += 1;
    tell();
  });
});
process.on('message', (message: { readonly until: number }) => {
  until = message.until;
  tell();
});
process.once('disconnect', () => process.exit(0));
