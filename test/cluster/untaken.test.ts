import { expect } from 'chai'
import { connect } from 'node:net'
import { startCluster } from '../support/cluster.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { scrape } from '../support/prometheus.ts'

describe('a worker that is killed before it took up a connection', function () {
  this.timeout(60_000)
  const cleanUp = cleanUpAfterEach()

  it('leaves no client waiting, and is counted', async () => {
    const metricsPort = await freePort()
    const cluster = await startCluster({ workers: 2, env: { METRICS_PORT: String(metricsPort) } })
    cleanUp(() => cluster.stop())
    const states: ('open' | 'answered' | 'cut')[] = []
    function client(): void {
      const index = states.push('open') - 1
      const socket = connect(Number(new URL(cluster.url).port), '127.0.0.1')
      cleanUp(() => socket.destroy())
      socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      socket.on('data', () => (states[index] = 'answered'))
      socket.on('error', () => {})
      socket.on('close', () => {
        if (states[index] === 'open') states[index] = 'cut'
      })
    }

    // Not yet ten seconds of silence: it is not taken for hung.
    cluster.signalWorker(1, 'SIGSTOP')
    for (let round = 0; round < 4; round += 1) client()
    await eventually(() => expect(states.filter((state) => state !== 'answered')).to.deep.equal(['open']))
    cluster.signalWorker(1, 'SIGKILL')
    await eventually(() => expect(states).to.include('cut'))
    await eventually(async () => {
      const { value } = await scrape(metricsPort)
      expect(value('lockstep_worker_failures_total', { worker: 'web-1' })).to.equal(1)
      expect(value('lockstep_worker_starts_total', { worker: 'web-1' })).to.equal(2)
    })
  })
})
