import { expect } from 'chai'
import { createLogger, type Logger } from '../../shared/telemetry/log.ts'

function capture(pretty = false): { log: Logger; text(): string; last(): Record<string, any> } {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const log = createLogger({ level: 'debug', pretty, process: 'web', worker: '3', destination })
  return { log, text: () => lines.join(''), last: () => JSON.parse(lines.at(-1) ?? 'null') }
}

describe('the log', () => {
  it('says which process and worker wrote a line', () => {
    const { log, last } = capture()
    log.info('hello')
    expect(last()).to.include({ level: 'info', process: 'web', worker: '3', pid: process.pid, msg: 'hello' })
  })

  it('leaves secrets out at any depth, in child loggers and in arrays', () => {
    const { log, text } = capture()
    log.info({
      req: { headers: { authorization: 'Bearer s3cret', Cookie: 'sid=s3cret', 'set-cookie': ['s3cret'] } },
    })
    log.info({ body: [{ deep: { newPassword: 's3cret', current_password: 's3cret', token: 's3cret' } }] })
    log.child({ token: 's3cret' }).info('child')
    expect(text()).to.contain('[redacted]').and.not.contain('s3cret')
  })

  it('leaves credentials and query strings out of URLs, also in messages and in errors', () => {
    const { log, text } = capture()
    log.info('connecting to redis://user:s3c@ret@host:6379/0 and https://host/reset?token=s3cret#s3cret')
    log.info('(https://me:s3cret@host:1/x),https://host/?s3cret')
    log.error({
      err: new Error('no route to postgres://me:s3cret@db/x', { cause: new Error('smtp://a:s3cret@m') }),
    })
    expect(text()).to.not.match(/s3cret|s3c@ret/)
    expect(text()).to.contain('redis://[redacted]@host:6379/0').and.contain('https://host/reset?[redacted]')
  })

  it('logs type, message, code, stack and causes of an error, and not what else hangs on it', () => {
    const { log, last, text } = capture()
    const command = { name: 'auth', args: ['hunter2'] }
    log.error(
      { err: Object.assign(new RangeError('bad', { cause: new Error('why') }), { code: 'E1', command }) },
      'no',
    )
    expect(last().err).to.include({ type: 'RangeError', message: 'bad', code: 'E1' })
    expect(last().err.cause).to.include({ message: 'why' })
    log.error(new AggregateError([new Error('one'), 'two'], 'both'))
    expect(last().err.errors[0]).to.include({ message: 'one' })
    expect(text()).to.not.contain('hunter2')
  })

  it('cannot be made to write a second line or to steer a terminal', () => {
    for (const pretty of [false, true]) {
      const { log, text } = capture(pretty)
      const hostile = 'x\n{"level":"fatal"}\r\u001b[2J\u009b2J\u2028y'
      log.info({ agent: hostile }, hostile)
      expect(
        text()
          .trimEnd()
          .split(/[\n\r\u2028]/),
        `pretty: ${pretty}`,
      ).to.have.length(1)
      expect(text()).to.not.contain('\u001b[2J').and.not.contain('\u009b')
    }
  })
})
