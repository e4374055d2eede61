import { expect } from 'chai'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ControlAnswer } from '../../shared/process/control-request.ts'
import { controlSocketPath, serveControl } from '../../server/cluster/control/control-socket.ts'
import { deadlineIn, type Service } from '../../shared/kernel/lifecycle.ts'
import { createLogger } from '../../shared/telemetry/log.ts'
import { cleanUpAfterEach } from '../support/clean-up.ts'
import { ask } from '../support/control.ts'
import { eventually } from '../support/eventually.ts'

/** More than a socket takes along unread. */
const long = 'x'.repeat(500_000)
const log = createLogger({ level: 'silent', pretty: false, destination: { write: () => {} } })

describe('the control socket', () => {
  const cleanUp = cleanUpAfterEach()
  let dataDir: string
  let served: Service
  let asked: Record<string, unknown>[]
  let answer: (request: Record<string, unknown>) => Promise<ControlAnswer>

  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'lockstep-control-socket-'))
    cleanUp(() => rm(dataDir, { recursive: true, force: true }))
    asked = []
    answer = async ({ size }) => ({ ok: true, result: size === 'long' ? long : 'short' })
    const control = {
      answer(request: unknown) {
        asked.push(request as Record<string, unknown>)
        return answer(request as Record<string, unknown>)
      },
    }
    served = serveControl({ dataDir, control, log })
    await served.start()
    cleanUp(() => served.stop(deadlineIn(1_000)))
  })

  async function client(): Promise<Socket> {
    const socket = connect({ path: controlSocketPath(dataDir), allowHalfOpen: true })
    socket.on('error', () => {})
    cleanUp(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }

  async function linesOf(socket: Socket): Promise<Record<string, any>[]> {
    let text = ''
    for await (const chunk of socket.setEncoding('utf8')) text += String(chunk)
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  }

  const askedFor = (size: string) => asked.filter((request) => request.size === size).length

  for (const [what, text] of [
    ['a line', '{"size":"short"}\n'],
    ['a line without its end', '{"size":"short"}'],
  ] as const) {
    it(`answers ${what} of a client that says nothing more`, async () => {
      let release = () => {}
      answer = () => new Promise((resolve) => (release = () => resolve({ ok: true, result: 'at last' })))
      const socket = await client()
      socket.end(text)
      const lines = linesOf(socket)
      await eventually(() => expect(asked).to.have.length(1))
      // That it says nothing more is heard before it is answered.
      await client()
      release()
      expect(await lines).to.deep.equal([{ ok: true, result: 'at last' }])
    })
  }

  it('does not listen to a client that does not read, and goes on when it does', async () => {
    const socket = await client()
    socket.write('{"size":"long"}\n'.repeat(30))
    await eventually(() => expect(askedFor('long')).to.be.greaterThan(0))
    // What was asked before would have been answered by now.
    for (let round = 0; round < 50; round += 1) await ask(dataDir, { size: 'short' })
    expect(askedFor('long')).to.be.lessThan(30)
    const lines = linesOf(socket)
    socket.end()
    expect(await lines).to.have.length(30)
  })

  it('stops though a client does not read its answers', async () => {
    const socket = await client()
    socket.write('{"size":"long"}\n'.repeat(30))
    await eventually(() => expect(askedFor('long')).to.be.greaterThan(0))
    await served.stop(deadlineIn(60_000))
  })

  it('tells those who wait for an answer that it stops', async () => {
    answer = () => new Promise(() => {})
    const socket = await client()
    socket.write('{"size":"short"}\n')
    await eventually(() => expect(asked).to.have.length(1))
    const lines = linesOf(socket)
    await Promise.all([served.stop(deadlineIn(60_000)), served.stop(deadlineIn(60_000))])
    const [line] = await lines
    expect(line).to.include({ ok: false, code: 'stopping' })
  })

  it('can be started again after a stop', async () => {
    await served.stop(deadlineIn(1_000))
    await served.stop(deadlineIn(1_000))
    await served.start()
    expect(await ask(dataDir, { size: 'short' })).to.deep.equal({ ok: true, result: 'short' })
  })

  it('leaves no directory for temporary files behind when its server was killed', async () => {
    const temporary = async () =>
      (await readdir(tmpdir())).filter((name) => /^lockstep-control-\w{6}$/.test(name))
    const before = await temporary()
    const far = path.join(dataDir, 'x'.repeat(120))
    await mkdir(far)
    const control = { answer: async (): Promise<ControlAnswer> => ({ ok: true, result: null }) }
    const serve = () => serveControl({ dataDir: far, control, log })
    const killed = serve()
    await killed.start()
    cleanUp(() => killed.stop(deadlineIn(1_000)))
    const [left = ''] = (await temporary()).filter((name) => !before.includes(name))
    expect(left).to.not.equal('')

    const next = serve()
    await next.start()
    cleanUp(() => next.stop(deadlineIn(1_000)))
    expect(await temporary()).to.not.include(left)
    await next.stop(deadlineIn(1_000))
    expect((await temporary()).filter((name) => !before.includes(name))).to.deep.equal([])
  })

  it('removes what killed servers of other data directories left, and nothing that is in use', async () => {
    const [dead, alive] = [
      path.join(tmpdir(), 'lockstep-control-dEad01'),
      path.join(tmpdir(), 'lockstep-control-aLive1'),
    ]
    for (const directory of [dead, alive]) {
      await mkdir(directory, { recursive: true })
      cleanUp(() => rm(directory, { recursive: true, force: true }))
    }
    const used = createServer().listen(controlSocketPath(alive))
    await once(used, 'listening')
    cleanUp(() => void used.close())
    const far = path.join(dataDir, 'x'.repeat(120))
    await mkdir(far)
    const control = { answer: async (): Promise<ControlAnswer> => ({ ok: true, result: null }) }
    const service = serveControl({ dataDir: far, control, log, settledMs: 0 })
    await service.start()
    cleanUp(() => service.stop(deadlineIn(1_000)))
    const names = await readdir(tmpdir())
    expect(names).to.not.include(path.basename(dead))
    expect(names).to.include(path.basename(alive))
  })
})
