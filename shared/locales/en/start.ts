/** The page at `/`. */
export const start = {
  running: (name: string) =>
    name === 'Lockstep'
      ? 'This is a Lockstep server. It runs, and it answers.'
      : `${name} runs here, on a Lockstep server.`,
  places: 'Where to go',
  api: 'The API, as an OpenAPI document',
}
