/** What can be asked for; `auto` is found out from what Redis is. */
export const durabilities = ['auto', 'keep', 'fence', 'failover', 'durable'] as const
export type Durability = (typeof durabilities)[number]
