// Makes the credentials of a decentralised set-up (operator, account, user) in a folder: conf (what the server needs),
// user.creds (what the client needs). All from one seed file, so that a second call changes what it is told to and nothing else.
// node jwt.cjs FOLDER [--user-expires SECONDS] [--account-expires SECONDS] [--revoke] [--subs N]
const { createOperator, createAccount, createUser, fromSeed } = require("@nats-io/nkeys");
const fs = require("node:fs");
const path = require("node:path");
const crypto = require("node:crypto");

const [folder, ...words] = process.argv.slice(2);
const told = (name) => { const at = words.indexOf(name); return at < 0 ? undefined : Number(words[at + 1]); };
const now = Math.floor(Date.now() / 1000);

function keys() {
  const file = path.join(folder, "seeds.json");
  if (!fs.existsSync(file)) {
    const seed = (pair) => new TextDecoder().decode(pair.getSeed());
    const seeds = [createOperator(), createAccount(), createUser()].map(seed);
    fs.writeFileSync(file, JSON.stringify(seeds));
  }
  return JSON.parse(fs.readFileSync(file, "utf8")).map((s) => fromSeed(new TextEncoder().encode(s)));
}

const encode = (octets) => Buffer.from(octets).toString("base64url");

// A JWT as nsc makes it: claims version 2, signed by the issuer's key.
function jwt(issuer, subject, name, nats, expires) {
  const claims = { iat: now, iss: issuer.getPublicKey(), name, sub: subject.getPublicKey(), nats: { ...nats, version: 2 } };
  if (expires !== undefined) claims.exp = now + expires;
  claims.jti = crypto.createHash("sha256").update(JSON.stringify(claims)).digest("hex");
  const text = `${encode(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" }))}.${encode(JSON.stringify(claims))}`;
  return `${text}.${encode(issuer.sign(new TextEncoder().encode(text)))}`;
}

const [operator, account, user] = keys();
const limits = { subs: told("--subs") ?? -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
const accountClaims = { type: "account", limits, default_permissions: { pub: {}, sub: {} } };
if (words.includes("--revoke")) accountClaims.revocations = { [user.getPublicKey()]: now + 1 };
const accountJwt = jwt(operator, account, "A", accountClaims, told("--account-expires"));
// A reload takes no other operator JWT.
const operatorFile = path.join(folder, "operator.jwt");
if (!fs.existsSync(operatorFile)) fs.writeFileSync(operatorFile, jwt(operator, operator, "O", { type: "operator" }));
const operatorJwt = fs.readFileSync(operatorFile, "utf8");
fs.writeFileSync(path.join(folder, "conf"), [
  `operator: "${operatorJwt}"`,
  "resolver: MEMORY",
  `resolver_preload: { ${account.getPublicKey()}: "${accountJwt}" }`,
  "",
].join("\n"));
const creds = path.join(folder, "user.creds");
if (!fs.existsSync(creds)) {
  const userJwt = jwt(account, user, "u", { type: "user", pub: {}, sub: {}, subs: -1, data: -1, payload: -1 }, told("--user-expires"));
  const seed = new TextDecoder().decode(user.getSeed());
  fs.writeFileSync(creds, `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n
-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`);
}
