// An OpenID Connect provider on a free port of 127.0.0.1, for tests. The first line on stdout that is a URL is its issuer;
// it ends when its stdin does.
//
//   node provider.mjs REDIRECT_URL [claims-in-id-token] [secret-in-body]
//
// Nobody types a password: who logs in is whom the request's `login_hint` names, and `login_hint=denied` is somebody who says no.
// Tests tell it about people and keys:
//
//   PUT /test/people/NAME   what it says of somebody: a JSON object of claims
//   PUT /test/keys          which keys it shows: {"show": "own"}, or "renamed" (its own, by another id), or "foreign"
//                           (somebody else's, by the id of its own)

import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import process from "node:process";
import { Provider } from "oidc-provider";

const [redirectUrl, ...options] = process.argv.slice(2);
const people = new Map();
const own = freshKey("own");
const shown = {
  own: [own],
  renamed: [{ ...own, kid: "renamed" }],
  foreign: [freshKey("own")],
};
let show = "own";

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = providerAt(issuer);
  const answer = provider.callback();
  server.on("request", (request, response) => {
    const handler = request.url.startsWith("/test/") ? change : request.url.startsWith("/interaction/") ? interact : null;
    if (!handler) return answer(request, response);
    handler(request, response, provider).catch((error) => {
      console.error(error);
      response.writeHead(500).end();
    });
  });
  console.log(issuer);
});
process.stdin.on("end", () => process.exit()).resume();

function providerAt(issuer) {
  const client = (id, more) => ({ client_id: id, redirect_uris: [redirectUrl], ...more });
  const method = options.includes("secret-in-body") ? "client_secret_post" : "client_secret_basic";
  const provider = new Provider(issuer, {
    clientAuthMethods: [method, "none"],
    clients: [
      client("lectern", { client_secret: "the secret of lectern with this provider", token_endpoint_auth_method: method }),
      client("public", { token_endpoint_auth_method: "none" }),
      client("other", { client_secret: "the secret of somebody else", token_endpoint_auth_method: method }),
    ],
    jwks: { keys: [own] },
    cookies: { keys: ["a secret of the tests"] },
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["name", "preferred_username"],
      groups: ["groups"],
    },
    conformIdTokenClaims: !options.includes("claims-in-id-token"),
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, name) => people.has(name) && { accountId: name, claims: () => ({ sub: name, ...people.get(name) }) },
  });
  provider.use(async (context, next) => {
    await next();
    if (context.path === "/jwks") context.body = { keys: shown[show].map(publicPart) };
  });
  return provider;
}

// Somebody logs in and consents, or says no.
async function interact(request, response, provider) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  if (params.login_hint === "denied") return finish({ error: "access_denied", error_description: "ada@example.org said no" });
  if (prompt.name === "login") return finish({ login: { accountId: params.login_hint } });
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return finish({ consent: { grantId: await grant.save() } });
}

async function change(request, response) {
  let text = "";
  for await (const piece of request) text += piece;
  const body = JSON.parse(text);
  const [, , what, name] = request.url.split("/");
  if (what === "people") people.set(name, body);
  else show = body.show;
  response.writeHead(204).end();
}

function freshKey(kid) {
  // By way of a text: Node 20 may lock itself up for ever if it collects garbage while it writes down the key that it has just made.
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { ...createPrivateKey(privateKey).export({ format: "jwk" }), kid, use: "sig", alg: "RS256" };
}

function publicPart({ kty, n, e, kid, use, alg }) {
  return { kty, n, e, kid, use, alg };
}
