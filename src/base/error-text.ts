/** What an unknown error says, in one line for an operator. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
