// The service's API, typed by its OpenAPI document.
import createClient, { type Client } from "openapi-fetch";
import { ApiError, errorOf } from "./error.js";
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

/** The service that this page came from. */
export const api = apiAt("");

/** What a call answers with; an `ApiError` is thrown if it fails, whoever is to blame. */
export async function answered<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await call.catch((cause: unknown) => {
    throw ApiError.unreachable(cause);
  });
  if (!response.ok) throw errorOf(response, error);
  return data as T;
}
