// How people may log in here.
import { useQuery } from "@tanstack/react-query";
import { ApiError, errorOf } from "../api/error.js";

export interface LoginOptions {
  /** Whether anybody may register. */
  registration: boolean;
  /** A provider that people may log in by, and where its link leads. */
  oidc: { name: string; path: string } | null;
}

/** Undefined until it is known; a page shows what is always there meanwhile. */
export function useLoginOptions(): LoginOptions | undefined {
  return useQuery({ queryKey: ["login options"], queryFn: options, staleTime: Infinity }).data;
}

async function options(): Promise<LoginOptions> {
  const response = await fetch("/api/auth/options").catch((cause: unknown) => {
    throw ApiError.unreachable(cause);
  });
  // A service that knows no other way has no such path.
  if (response.status === 404) return { registration: true, oidc: null };
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw errorOf(response, body);
  return body as LoginOptions;
}
