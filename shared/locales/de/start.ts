import type { start as en } from '../en/start.ts'

export const start: typeof en = {
  running: (name) =>
    name === 'Lockstep'
      ? 'Das ist ein Lockstep-Server. Er läuft und antwortet.'
      : `${name} läuft hier, auf einem Lockstep-Server.`,
  places: 'Wohin es geht',
  api: 'Die API als OpenAPI-Dokument',
}
