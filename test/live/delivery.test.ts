import { expect } from 'chai'
import { createDeliveries } from '../../shared/live/delivery.ts'
import { eventually } from '../support/eventually.ts'

function openDelivery(waitingBytes = 100) {
  const deliveries = createDeliveries({ waitingBytes })
  const written: string[] = []
  const client = { allowed: true, waitingBytes: 0, slow: 0 }
  const delivery = deliveries.open({
    wire: {
      write: (frame) => void written.push(frame),
      get waitingBytes() {
        return client.waitingBytes
      },
    },
    mayDeliver: () => client.allowed,
    onSlow: () => client.slow++,
  })
  return { deliveries, delivery, written, client }
}

describe('what a stream or socket is sent', () => {
  it('is written at once, and in order after it was held back', async () => {
    const { delivery, written, client } = openDelivery()
    delivery.push('1')
    client.allowed = false
    delivery.push('2')
    client.allowed = true
    delivery.push('3')
    await eventually(() => expect(written).to.deep.equal(['1', '2', '3']))
  })

  it('is dropped with the connection when it was held back', async () => {
    const { delivery, written, client } = openDelivery()
    client.allowed = false
    delivery.push('secret')
    delivery.end()
    client.allowed = true
    expect(delivery.push('later')).to.equal(false)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(written).to.deep.equal([])
  })

  it('is bounded for a client that does not keep up, held back or not taken', () => {
    const reader = openDelivery()
    reader.client.waitingBytes = 95
    expect(reader.delivery.push('123456')).to.equal(false)
    expect(reader.client.slow).to.equal(1)
    const waiting = openDelivery()
    waiting.client.allowed = false
    while (waiting.delivery.push('x'.repeat(30)));
    expect(waiting.client.slow).to.equal(1)
  })
})
