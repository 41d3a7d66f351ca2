// Who is logged in.
import { useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client.js";
import { ApiError } from "../api/error.js";

export type Account = Schemas["AccountView"];

const key = ["session"];

/** The account that is logged in, null for nobody, undefined while that is being found out. */
export function useSession(): {
  account: Account | null | undefined;
  error: Error | null;
  retry: () => void;
} {
  const { data, error, refetch } = useQuery({ queryKey: key, queryFn: whoIsThere, staleTime: 60_000 });
  return { account: data, error, retry: () => void refetch() };
}

/** What to do when somebody has logged in or out: nothing that another saw is kept. */
export function useSignedIn(): (account: Account | null) => void {
  const queries = useQueryClient();
  return (account) => {
    queries.clear();
    queries.setQueryData(key, account);
  };
}

/** Says that the session has ended, as soon as a call is told so. */
export function sessionEnded(queries: QueryClient): void {
  queries.setQueryData(key, null);
}

async function whoIsThere(): Promise<Account | null> {
  try {
    return await answered(api.GET("/api/auth/me"));
  } catch (error) {
    if (error instanceof ApiError && error.code === "UNAUTHENTICATED") return null;
    throw error;
  }
}
