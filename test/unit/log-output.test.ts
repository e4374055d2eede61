import { expect } from 'chai'
import { createLogOutput } from '../../shared/telemetry/log-output.ts'
import { createRepeats } from '../../shared/telemetry/repeats.ts'
import { eventually } from '../support/eventually.ts'

describe('The output of the log', () => {
  /** A file that takes so many bytes at once, or none for the reason that is given. */
  function open() {
    const file = { text: '', code: null as string | null, takes: Number.POSITIVE_INFINITY }
    const output = createLogOutput(
      (bytes) => {
        const size = Math.min(bytes.length, file.takes)
        if (file.code !== null && size === 0) throw Object.assign(new Error(), { code: file.code })
        file.text += bytes.subarray(0, size).toString()
        file.takes -= size
        return size
      },
      ({ dropped, code }) => `lost ${dropped} by ${code}\n`,
    )
    const fail = (code: string, takes = 0) => Object.assign(file, { code, takes })
    const mend = () => Object.assign(file, { code: null, takes: Number.POSITIVE_INFINITY })
    return { file, output, fail, mend }
  }

  for (const code of ['ENOSPC', 'EPIPE', 'EIO']) {
    it(`drops lines on ${code}, counts them, and says so when it works again`, () => {
      const { file, output, fail, mend } = open()
      output.write('one\n')
      fail(code)
      for (const line of ['two\n', 'three\n', 'four\n']) output.write(line)
      expect(output.dropped).to.equal(3)
      mend()
      output.write('five\n')
      expect(file.text).to.equal(`one\nlost 3 by ${code}\nfive\n`)
      expect(output.dropped).to.equal(3)
    })
  }

  it('says that it works again also when nothing more is logged', async () => {
    const { file, output, fail, mend } = open()
    fail('ENOSPC')
    output.write('one\n')
    mend()
    await eventually(() => expect(file.text).to.equal('lost 1 by ENOSPC\n'))
  })

  it('ends a line of which only a part could be written', () => {
    const { file, output, fail, mend } = open()
    fail('ENOSPC', 2)
    output.write('one\n')
    mend()
    output.write('two\n')
    expect(file.text).to.equal('on\nlost 1 by ENOSPC\ntwo\n')
  })

  it('lets lines wait for a slow reader, in order and whole', async () => {
    const { file, output, fail, mend } = open()
    fail('EAGAIN', 2)
    for (const line of ['one\n', 'two\n', 'three\n']) output.write(line)
    expect(file.text).to.equal('on')
    mend()
    await eventually(() => expect(file.text).to.equal('one\ntwo\nthree\n'))
    output.write('four\n')
    expect(file.text).to.equal('one\ntwo\nthree\nfour\n')
    expect(output.dropped).to.equal(0)
  })

  it('lets no more than so much wait for a reader that does not read', async () => {
    const { file, output, fail, mend } = open()
    fail('EAGAIN')
    const line = `${'x'.repeat(1_023)}\n`
    for (let count = 0; count < 1_000; count++) output.write(line)
    expect(output.dropped).to.equal(1_000 - 256)
    mend()
    await eventually(() => expect(file.text).to.contain('lost 744 by EAGAIN\n'))
    expect(file.text.match(/x\n/g)).to.have.length(256)
  })

  it('writes what waits when the process ends', () => {
    const { file, output, fail, mend } = open()
    fail('EAGAIN')
    output.write('last words\n')
    mend()
    output.flush()
    expect(file.text).to.equal('last words\n')
  })
})

describe('Repeats of an event', () => {
  it('are told a few times a minute for each key, and how many were left out', () => {
    let now = 0
    const repeats = createRepeats({ most: 2, mostOfAll: 100, now: () => now })
    const told = () => repeats.admit('a')
    expect([told(), told(), told(), told()]).to.deep.equal([{ leftOut: 0 }, { leftOut: 0 }, null, null])
    expect(repeats.admit('b')).to.deep.equal({ leftOut: 0 })
    now += 60_000
    expect([told(), told(), told()]).to.deep.equal([{ leftOut: 2 }, { leftOut: 0 }, null])
  })

  it('are bounded for all keys together', () => {
    let now = 0
    const repeats = createRepeats({ most: 2, mostOfAll: 5, now: () => now })
    const told = Array.from({ length: 50_000 }, (_, index) => repeats.admit(`key ${index}`))
    expect(told.filter((each) => each !== null)).to.have.length(5)
    now += 60_000
    expect(repeats.admit('another')).to.deep.equal({ leftOut: 0 })
  })
})
