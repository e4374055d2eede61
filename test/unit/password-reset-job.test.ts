import { expect } from 'chai'
import type { Account } from '../../shared/accounts/accounts.ts'
import type { Mail } from '../../shared/mail/mailer.ts'
import type { JobRun } from '../../shared/queues/job.ts'
import { InvalidPayload, checkPayload } from '../../shared/queues/payload.ts'
import { passwordReset } from '../../workers/jobs/password-reset.ts'

describe('the mail with a link to set a new password', () => {
  it('leads to the configured address, and no payload can name another', async () => {
    expect(() => checkPayload(passwordReset, { email: 'a@b.example', publicUrl: 'https://evil.example' }))
      .to.throw(InvalidPayload)
      .with.nested.property('problems[0].field', 'publicUrl')

    const mails: Mail[] = []
    const account = { id: '1', email: 'a@b.example', name: 'Ada', disabled: false } as Account
    const services = {
      accounts: { findByEmail: async () => account, addResetToken: async () => {} },
      mailer: { send: async (mail: Mail) => void mails.push(mail) },
      publicUrl: 'https://shop.example',
    }
    const { work } = passwordReset
    if (work.kind !== 'handler') throw new Error('it has a handler')
    await work.handler({ data: { email: 'a@b.example' } } as JobRun<unknown>, { services })
    expect(mails[0]?.text).to.match(/https:\/\/shop\.example\/reset#token=/)
    expect(mails[0]?.text.match(/https?:/g)).to.have.length(1)
  })
})
