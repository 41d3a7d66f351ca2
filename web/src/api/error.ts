// What went wrong with a call, in the one form that pages show.
import type { components } from "./schema.js";

/** The service's codes, and what can be wrong before it answers: UNREACHABLE, or an answer that is not its own. */
export type Code = components["schemas"]["ErrorCode"] | ByProvider | "UNREACHABLE" | "STRANGE";
/** By which `/login?error=CODE` tells why somebody who came from a provider is not logged in. */
type ByProvider =
  | "OIDC_EXPIRED"
  | "OIDC_DENIED"
  | "OIDC_FAILED"
  | "OIDC_UNAVAILABLE"
  | "EMAIL_UNVERIFIED"
  | "EMAIL_DOMAIN_REFUSED";

/** What a field breaks, by the service's name, and the bounds that it has to keep. */
export interface Rule {
  name: string;
  minimum: number | null;
  limit: number | null;
}

export class ApiError extends Error {
  constructor(
    readonly code: Code,
    /** In English, with the remedy. */
    message: string,
    /** The field that it is about, if it is about one. */
    readonly field: string | null = null,
    /** Seconds after which to try again, where the service says so. */
    readonly retryAfter: number | null = null,
    /** What the log calls the request. */
    readonly requestId: string | null = null,
    /** What the field breaks, if the service says so. */
    readonly rule: Rule | null = null,
  ) {
    super(message);
  }

  static unreachable(cause: unknown): ApiError {
    const error = new ApiError(
      "UNREACHABLE",
      "The service can't be reached. Check your connection and try again.",
    );
    error.cause = cause;
    return error;
  }
}

/** The error that a response tells of; `body` is what came as JSON, if anything. */
export function errorOf(response: Response, body: unknown): ApiError {
  const retryAfter = seconds(response.headers.get("retry-after"));
  if (!isErrorBody(body)) {
    return new ApiError(
      "STRANGE",
      `The service answered with status ${response.status}. Try again in a moment.`,
    );
  }
  const { code, message, details } = body.error;
  return new ApiError(code, message, fieldOf(details), retryAfter, body.requestId, ruleOf(details));
}

function isErrorBody(body: unknown): body is components["schemas"]["ErrorBody"] {
  return typeof body === "object" && body !== null && "error" in body && "requestId" in body;
}

function fieldOf(details: unknown): string | null {
  const isNamed = typeof details === "object" && details !== null && "field" in details;
  return isNamed && typeof details.field === "string" ? details.field : null;
}

function ruleOf(details: unknown): Rule | null {
  if (typeof details !== "object" || details === null) return null;
  const { rule, minimum, limit } = details as Record<string, unknown>;
  const number = (value: unknown) => (typeof value === "number" ? value : null);
  return typeof rule === "string" ? { name: rule, minimum: number(minimum), limit: number(limit) } : null;
}

function seconds(header: string | null): number | null {
  const number = Number(header ?? Number.NaN);
  return Number.isFinite(number) ? number : null;
}
