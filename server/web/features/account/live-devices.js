/** The page /account: devices appear and vanish as they sign in and out. Without this, the next look shows it. */
const devices = () => document.getElementById('devices')

let reading = false
let again = false

async function refresh() {
  if (reading) return void (again = true)
  reading = true
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' } })
    if (answer.redirected) return location.assign(answer.url)
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('devices')
    // Not while someone types the name of a device.
    if (answer.ok && fresh && !devices().querySelector('details[open]')) {
      localTimes(fresh)
      devices().replaceWith(document.adoptNode(fresh))
    }
  } catch {
    // The stream comes back by itself, and says what is then.
  } finally {
    reading = false
    if (again) {
      again = false
      void refresh()
    }
  }
}

const stream = new EventSource(devices().dataset.live)
stream.addEventListener('devices', refresh)
// session.js says so. Not more: the answer to the form that ended it may be on its way.
stream.addEventListener('session-ended', () => stream.close())
