/** The links and their clicks, in a database of the application's own. */
import { randomBytes } from 'node:crypto'
import Database from 'libsql'

const migrations = [
  `CREATE TABLE links (code TEXT PRIMARY KEY, url TEXT NOT NULL, owner TEXT NOT NULL, created_at INTEGER NOT NULL);
   CREATE INDEX links_of_owner ON links (owner, created_at)`,
  `CREATE TABLE clicks (code TEXT NOT NULL, at INTEGER NOT NULL);
   CREATE INDEX clicks_of_link ON clicks (code, at)`,
]

/** Opened once a process. What has `stop` is stopped with the process. */
export function openLinks(file) {
  const db = new Database(file)
  db.pragma('journal_mode = WAL')
  db.pragma('busy_timeout = 5000')
  migrate(db)
  const insert = db.prepare('INSERT INTO links (code, url, owner, created_at) VALUES (?, ?, ?, ?)')
  const find = db.prepare('SELECT url FROM links WHERE code = ?')
  const ofOwner = db.prepare(
    `SELECT code, url, (SELECT count(*) FROM clicks WHERE clicks.code = links.code) AS clicks
     FROM links WHERE owner = ? ORDER BY created_at DESC, code LIMIT 100`,
  )
  const click = db.prepare('INSERT INTO clicks (code, at) VALUES (?, ?)')
  const prune = db.prepare('DELETE FROM clicks WHERE at < ?')

  return {
    add(url, owner) {
      const code = randomBytes(6).toString('base64url')
      insert.run(code, url, owner, Date.now())
      return code
    },
    find: (code) => find.get(code)?.url ?? null,
    ofOwner: (owner) => ofOwner.all(owner).map(({ code, url, clicks }) => ({ code, url, clicks })),
    click: (code, at) => void click.run(code, at),
    prune: (before) => prune.run(before).changes,
    stop: () => db.close(),
  }
}

/** Each worker may be the first: one migrates, and the others find it done. */
function migrate(db) {
  db.exec('BEGIN IMMEDIATE')
  try {
    const [{ user_version: done }] = db.prepare('PRAGMA user_version').all()
    for (const migration of migrations.slice(done)) db.exec(migration)
    db.exec(`PRAGMA user_version = ${migrations.length}`)
    db.exec('COMMIT')
  } catch (cause) {
    db.exec('ROLLBACK')
    throw cause
  }
}
