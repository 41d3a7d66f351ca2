// How people may log in here.
import { useQuery } from "@tanstack/react-query";
import { answered, api } from "../api/client.js";
import type { components } from "../api/schema.js";

export type LoginOptions = components["schemas"]["LoginOptions"];

/** Undefined until it is known; a page shows what is always there meanwhile. */
export function useLoginOptions(): LoginOptions | undefined {
  const queryFn = () => answered(api.GET("/api/auth/options"));
  return useQuery({ queryKey: ["login options"], queryFn, staleTime: Infinity }).data;
}
