import type { Kysely, Selectable } from 'kysely'
import { auditIdsFrom, type AuditEntry, type AuditTrail } from './audit.ts'
import type { AuditTable, Schema } from './schema.ts'
import { mayBeStored, withoutUnstorable } from './stored-text.ts'

/** The audit trail in the database of the accounts; `db` gives the open one. */
export function createAuditTrail(db: () => Kysely<Schema>): AuditTrail {
  return {
    async append(entries) {
      if (entries.length === 0) return
      await db()
        .insertInto('audit')
        .values(entries.map(rowOf))
        .onConflict((conflict) => conflict.column('id').doNothing())
        .execute()
    },

    async list({ after, limit, user, action, from, until }) {
      if ([after, user, action].some((text) => text !== undefined && !mayBeStored(text))) return []
      const rows = await db()
        .selectFrom('audit')
        .selectAll()
        .$if(after !== undefined, (query) => query.where('id', '<', after!))
        .$if(from !== undefined, (query) => query.where('id', '>=', auditIdsFrom(from!)))
        .$if(until !== undefined, (query) => query.where('id', '<', auditIdsFrom(until!)))
        .$if(action !== undefined, (query) => query.where('action', '=', action!))
        .$if(user !== undefined, (query) =>
          query.where(({ or, eb }) => or([eb('actor', '=', user!), eb('subject', '=', user!)])),
        )
        .orderBy('id', 'desc')
        .limit(limit)
        .execute()
      return rows.map(entryOf)
    },

    async prune(at, limit) {
      const pruned = await db()
        .deleteFrom('audit')
        .where('id', 'in', ({ selectFrom }) =>
          selectFrom('audit').select('id').where('id', '<', auditIdsFrom(at)).orderBy('id').limit(limit),
        )
        .executeTakeFirst()
      return Number(pruned.numDeletedRows)
    },
  }
}

function rowOf(entry: AuditEntry): AuditTable {
  const { requestId, details, subject, ...same } = entry
  return {
    ...same,
    subject: subject === null ? null : withoutUnstorable(subject),
    request_id: requestId,
    details: JSON.stringify(details),
  }
}

function entryOf({ request_id: requestId, details, ...same }: Selectable<AuditTable>): AuditEntry {
  return { ...same, requestId, details: JSON.parse(details) as AuditEntry['details'] }
}
