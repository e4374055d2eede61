import { expect } from 'chai'
import { pino } from 'pino'
import { loadConfig } from '../../shared/config/config.ts'
import { deploymentKeys, unnamedSpace } from '../../shared/deployment/deployment-keys.ts'
import { createJobWorker } from '../../workers/worker.ts'

describe('A job worker in mode failover', () => {
  it('can be made: it asks the data nodes as web workers do', () => {
    const config = loadConfig({
      REDIS_URL: 'redis+sentinel://127.0.0.1:1/primary',
      SESSION_DURABILITY: 'failover',
      REDIS_NODES: '3',
    })
    const log = pino({ level: 'silent' })
    expect(() => createJobWorker({ config, slot: 1, keys: deploymentKeys(unnamedSpace), log })).to.not.throw()
  })
})
