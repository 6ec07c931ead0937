// A nats.js client that the lab drives: same lines in and out as client.py.
const { connect, credsAuthenticator } = require("@nats-io/transport-node");
const readline = require("node:readline");
const fs = require("node:fs");

function args(argv) {
  const a = { sub: [], ping: 120, "max-pings": 2, tries: 10, wait: 0.5, timeout: 2 };
  for (let i = 0; i < argv.length; i++) {
    const key = argv[i].slice(2);
    if (key === "reconnect" || key === "tls-first") a[key] = true;
    else if (key === "sub") a.sub.push(argv[++i]);
    else a[key] = argv[++i];
  }
  return a;
}

const say = (...words) => console.log(words.join(" "));
const port = (nc) => nc.protocol.transport.socket?.localPort ?? 0;

async function main() {
  const a = args(process.argv.slice(2));
  const options = {
    servers: a.url, name: a.name, pingInterval: a.ping * 1000, maxPingOut: Number(a["max-pings"]),
    reconnect: Boolean(a.reconnect), maxReconnectAttempts: Number(a.tries),
    reconnectTimeWait: a.wait * 1000, timeout: a.timeout * 1000,
  };
  if (a.user) Object.assign(options, { user: a.user, pass: a.password });
  if (a.creds) options.authenticator = credsAuthenticator(fs.readFileSync(a.creds));
  if (a.ca) options.tls = a.ca === "system" ? {} : { ca: fs.readFileSync(a.ca, "utf8") };
  if (a["tls-first"]) options.tls = { ...options.tls, handshakeFirst: true };
  let nc;
  try {
    nc = await connect(options);
  } catch (e) {
    say("FAILED", e.name, e.message);
    process.exit(0);
  }
  (async () => {
    for await (const s of nc.status()) {
      if (s.type === "disconnect") say("DISCONNECTED");
      else if (s.type === "reconnect") say("RECONNECTED", port(nc));
      else if (s.type === "error") say("ERROR", s.error?.message);
    }
  })();
  nc.closed().then(() => say("CLOSED"));
  for (const subject of a.sub) nc.subscribe(subject, { callback: () => {} });
  await nc.flush();
  say("READY", port(nc));

  let stream;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const words = line.trim().split(/\s+/);
    const fill = (n) => new Uint8Array(Number(n)).fill(120);
    if (words[0] === "pub") nc.publish(words[1], fill(words[2]));
    else if (words[0] === "start") {
      stream = setInterval(() => nc.publish(words[1], fill(words[3])), 1000 / Number(words[2]));
    } else if (words[0] === "stop") clearInterval(stream);
    else if (words[0] === "flush") await nc.flush().then(() => say("FLUSHED"));
    else if (words[0] === "drain") { await nc.drain(); process.exit(0); }
    else if (words[0] === "close") { await nc.close(); process.exit(0); }
    else if (words[0] === "abort") { nc.protocol.transport.socket.resetAndDestroy(); process.exit(0); }
    else if (words[0] === "exit") process.exit(0);
  }
}
main();
