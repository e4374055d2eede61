/** The scope of all spans of the server. */
export const tracerName = 'lockstep'
