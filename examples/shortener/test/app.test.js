import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { startTestApp } from 'lockstep/testing'
import app from '../app.js'

describe('the shortener', function () {
  this.timeout(60_000)
  const directory = mkdtempSync(join(tmpdir(), 'shortener-'))
  let running
  let user

  before(async () => {
    running = await startTestApp(app, { workers: 2, env: { LINKS_FILE: join(directory, 'links.sqlite') } })
    user = await running.signIn()
  })

  after(async () => {
    await running?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  const shorten = (url) => running.request('POST', '/api/links', { token: user.token, json: { url } })

  it('shortens a link, and leads there from every worker', async () => {
    const created = await shorten('https://example.com/somewhere')
    expect(created.status).to.equal(201)
    const { code } = created.json()
    for (const answer of await running.onEveryWorker('GET', `/${code}`)) {
      expect(answer.status).to.equal(302)
      expect(answer.headers.location).to.equal('https://example.com/somewhere')
      expect(answer.headers).to.include.keys('x-response-time')
    }
  })

  it('counts clicks in a job', async () => {
    const { code } = (await shorten('https://example.com/counted')).json()
    await running.onEveryWorker('GET', `/${code}`)
    await running.runJobs()
    const { links } = (await running.request('GET', '/api/links', { token: user.token })).json()
    expect(links.find((link) => link.code === code)).to.include({ clicks: 2 })
  })

  it('remembers on every worker what this session shortened last', async () => {
    const codes = [
      (await shorten('https://a.example')).json().code,
      (await shorten('https://b.example')).json().code,
    ]
    for (const answer of await running.onEveryWorker('GET', '/api/links', { token: user.token })) {
      expect(answer.json().recent).to.include.members(codes)
    }
  })

  it('refuses what is no link, and more links than the limit', async () => {
    expect((await shorten('javascript:alert(1)')).status).to.equal(422)
    const answers = await Promise.all(Array.from({ length: 40 }, () => shorten('https://example.com')))
    expect(answers.map(({ status }) => status)).to.include(429)
  })

  it('shows the links on a page', async () => {
    const page = await running.request('GET', '/links', { token: user.token })
    expect(page.headers['content-type']).to.contain('text/html')
    expect(page.text).to.contain('https://example.com/somewhere')
  })

  it('lets nobody in after the sign-out, on any worker', async () => {
    const answer = await running.request('POST', '/api/v1/auth/logout', { token: user.token })
    expect(answer.status).to.equal(204)
    for (const { status } of await running.onEveryWorker('GET', '/api/links', { token: user.token })) {
      expect(status).to.equal(401)
    }
  })
})
