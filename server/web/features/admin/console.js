/**
 * Keeps the numbers of a page fresh: fetches the page again every few seconds and puts what is marked `data-live` in the
 * place of what there was. Not while no one looks, nor for ever: a page left open must not keep its session alive.
 */
const everyMs = 3_000
const restAfterMs = 10 * 60_000
let touched = Date.now()

for (const event of ['pointerdown', 'pointermove', 'keydown', 'scroll']) {
  addEventListener(event, () => (touched = Date.now()), { passive: true })
}

async function refresh() {
  if (document.hidden || Date.now() - touched > restAfterMs) return
  const answer = await fetch(location.href, { headers: { Accept: 'text/html' } })
  // The session has ended, or the role was lost: the page itself says so.
  if (answer.redirected || answer.status === 403) return location.reload()
  if (!answer.ok) return
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
  for (const now of document.querySelectorAll('[data-live]')) replace(now, fresh.getElementById(now.id))
}

/** What someone is at is left alone. */
function replace(now, next) {
  if (!next || now.contains(document.activeElement)) return
  const opened = [...now.querySelectorAll('details')].map(({ open }) => open)
  now.replaceWith(next)
  next.querySelectorAll('details').forEach((details, index) => (details.open = opened[index] ?? false))
  globalThis.localTimes?.(next)
}

async function keepFresh() {
  await refresh().catch(() => {})
  setTimeout(keepFresh, everyMs)
}

if (document.querySelector('[data-live]')) setTimeout(keepFresh, everyMs)

/** A form is sent once, however often its button is pressed. */
addEventListener('submit', (event) => {
  const { target: form } = event
  if (form.method !== 'post') return
  if (form.dataset.sent) return event.preventDefault()
  form.dataset.sent = 'yes'
})

// Who comes back by the back button finds the page as it was left.
addEventListener('pageshow', () => {
  for (const form of document.forms) delete form.dataset.sent
})
