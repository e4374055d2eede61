/**
 * What the promise says, unless that takes longer than `ms`: then rejects, and hands a value that still comes to
 * `onLate`.
 */
export function withPatience<T>(answer: Promise<T>, ms: number, onLate: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false
    const timer = setTimeout(() => {
      over = true
      reject(new Error(`no answer within ${ms} ms`))
    }, ms)
    answer.then(
      (value) => {
        clearTimeout(timer)
        if (over) onLate(value)
        else resolve(value)
      },
      (cause: unknown) => {
        clearTimeout(timer)
        reject(cause)
      },
    )
  })
}
