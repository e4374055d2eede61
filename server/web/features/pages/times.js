/** Says the times of a page by the reader's clock. */
const format = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: 'medium',
  timeStyle: 'short',
})

function localTimes(root) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    time.title = time.textContent
    time.textContent = format.format(new Date(time.dateTime))
  }
}

localTimes(document)
