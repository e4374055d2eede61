import type { Kysely } from 'kysely'
import type { Clock } from '../kernel/clock.ts'
import type { DeploymentRecords } from './accounts.ts'
import type { Schema } from './schema.ts'
import { storable } from './stored-text.ts'

/** Which deployments use this database, in the database itself; `db` gives the open one. */
export function createDeploymentRecords(db: () => Kysely<Schema>, clock: Clock): DeploymentRecords {
  return {
    async describe() {
      const [installation, deployments] = await Promise.all([
        db().selectFrom('installation').selectAll().executeTakeFirstOrThrow(),
        db().selectFrom('deployments').select(['name', 'key_space']).execute(),
      ])
      return {
        id: installation.id,
        olderThanNames: installation.older_than_names === 1,
        spaces: new Map(deployments.map(({ name, key_space: space }) => [name, space])),
      }
    },

    async keepSpace(name, space) {
      await db()
        .insertInto('deployments')
        .values({ name: storable('name', name), key_space: space, created_at: clock.wall() })
        .onConflict((conflict) => conflict.column('name').doNothing())
        .execute()
      const { key_space: kept } = await db()
        .selectFrom('deployments')
        .select('key_space')
        .where('name', '=', name)
        .executeTakeFirstOrThrow()
      return kept
    },
  }
}
