// The service's API, typed by its OpenAPI document.
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Api = Client<paths>;
export type Schemas = components["schemas"];

/** A client of the service at `baseUrl`; without a token it goes by the browser's cookies. */
export function apiAt(baseUrl: string, token?: string): Api {
  return createClient<paths>({
    baseUrl,
    credentials: "include",
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
  });
}
