// Runs oidc-provider: node provider.cjs <node_modules> <port> <client id> <secret> <redirect URI>
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [packages, port, client_id, client_secret, redirect_uri] = process.argv.slice(2);

const people = {
  ada: { email: "ada@example.org", email_verified: true, name: "Ada Lovelace", groups: ["finance"] },
};

async function main() {
  const home = pathToFileURL(path.join(packages, "oidc-provider", "lib", "index.js"));
  const { default: Provider } = await import(home);
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{
      client_id,
      client_secret,
      redirect_uris: [redirect_uri],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    }],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
    pkce: { required: () => true },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  });
  provider.listen(Number(port), "127.0.0.1");
}

main();
