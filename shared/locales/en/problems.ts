/** How a page reports a problem, which says of itself what happened in English. */
export const problems = {
  told: ({ title, message }: ToldProblem): { readonly title: string; readonly text: string } => ({
    title,
    text: `${message.charAt(0).toUpperCase()}${message.slice(1)}.`,
  }),
}

export interface ToldProblem {
  readonly type: string
  readonly title: string
  /** Written to follow a colon. */
  readonly message: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}
