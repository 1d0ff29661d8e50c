/** Says a mirror whose answer would be later than runtimes wait for one: they go to the registry then. */
const TOO_LATE = 'no answer in time'

export interface Answered {
  readonly status: number
  readonly bytes: Uint8Array
}

/** Asks again while a mirror says that it had no answer in time: how busy the machine is proves nothing. */
export async function answered(ask: () => Promise<Response>): Promise<Answered> {
  for (;;) {
    const answer = await read(await ask())
    if (answer.status === 200 || !Buffer.from(answer.bytes).includes(TOO_LATE)) return answer
  }
}

export async function read(response: Response): Promise<Answered> {
  return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) }
}
